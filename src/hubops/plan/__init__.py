"""What to do and why. Pure."""
