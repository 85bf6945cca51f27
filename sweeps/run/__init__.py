"""Running the plan: the controller, the executors (Ray Tune or this process), the worker."""
