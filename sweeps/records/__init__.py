"""What a run leaves on disk: the ledger, the run folder, snapshots, provenance."""
