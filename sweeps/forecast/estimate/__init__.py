"""What a study would do and cost, by counting: `sweeps show`."""
