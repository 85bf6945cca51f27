"""A study file: its schema, search space and design, and the rules that it must keep."""
