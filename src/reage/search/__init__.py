"""The closed loop: read a face at several ages, and find the strength that shows the target age."""
