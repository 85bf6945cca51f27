"""Distributed sweeps over DAGAN trainings: Ray Tune schedules, Optuna searches, Weights & Biases logs."""
