"""What a training runs on: device and precision, random streams, and exact or faster tensor operations."""
