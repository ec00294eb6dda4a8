"""Hair: where it is in a photo, and how it turns grey."""
