"""Datasets of faces: read, prepared from pictures, or made of people who do not exist."""
