"""Which trials a study has, and when each may start: search, early stopping, sharing, the plan. No Ray."""
