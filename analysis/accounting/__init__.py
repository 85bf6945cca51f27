"""What the trials cost, and how they ended."""
