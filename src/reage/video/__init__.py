"""Videos: people followed through a clip and shown at other ages, frame by frame."""
