"""Options and progress bars that several commands share."""
