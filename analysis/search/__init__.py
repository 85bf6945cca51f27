"""Judge the search: its space, progress, budget and early stopping, importance and range edges of parameters."""
