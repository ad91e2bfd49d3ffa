"""What the repository wants; pure."""
