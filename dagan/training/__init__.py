"""The algorithm: losses, stage 1 (generation), stage 2 (classification), and `Training`, which iterates both."""
