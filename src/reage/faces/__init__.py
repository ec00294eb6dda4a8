"""Faces in photos: find them, cut out the squares that the models read, paste the results back."""
