"""Compare methods: means, paired differences, verdicts, ablations, summaries over all cells."""
