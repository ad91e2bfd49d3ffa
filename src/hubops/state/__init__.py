"""What is there, and what was recorded. Reads only."""
