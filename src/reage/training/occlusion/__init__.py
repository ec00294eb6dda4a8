"""Training of the network that finds what covers a face."""
