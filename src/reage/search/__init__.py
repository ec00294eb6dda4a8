"""The closed loop: look at a face at several ages, and find what shows the asked one."""
