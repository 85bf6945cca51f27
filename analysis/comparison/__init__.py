"""Methods against each other: means, paired differences, ablations, and all cells together."""
