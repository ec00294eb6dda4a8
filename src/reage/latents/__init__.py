"""Style codes of real faces: finding them (inversion) and moving them along age."""
