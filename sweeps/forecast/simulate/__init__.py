"""How a study would go on a cluster, by replaying its plan on a virtual clock: `sweeps simulate`."""
