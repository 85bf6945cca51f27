"""Read what a run has found beside its trials: pictures, near-copies, references on pixels."""
