"""What users take away: the report, best configs, one training, samples of a generator."""
