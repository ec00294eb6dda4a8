"""Training of generators and their encoders."""
