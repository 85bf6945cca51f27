"""What a study would do and cost, before it runs: `sweeps show` and `sweeps simulate`."""
