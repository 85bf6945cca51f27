"""Intervals, exact tests, corrections and power, as functions of numbers."""
