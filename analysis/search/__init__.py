"""What the search found: its space, progress and cost, importance and range edges of parameters."""
