"""Where images come from: what is known of each data set, its splits, and the loaders."""
