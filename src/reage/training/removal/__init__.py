"""Training of the networks that take old skin and beards off."""
