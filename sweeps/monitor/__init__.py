"""Watching a run: the live table, W&B, `sweeps status`."""
