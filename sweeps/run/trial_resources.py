"""What one trial takes of a machine."""

from fractions import Fraction

TrialResources = dict[str, float]
"""By Ray's names: CPU, GPU."""


def described(resources: TrialResources) -> str:
    """Say what a trial takes: “1 core and 1/4 of a GPU”."""
    cores, gpu = resources["CPU"], resources["GPU"]
    words = "1 core" if cores == 1 else f"{cores:g} cores"
    if 0 < gpu < 1:
        return f"{words} and {Fraction(gpu).limit_denominator(100)} of a GPU"
    return f"{words} and {gpu:g} GPU{'s' if gpu > 1 else ''}" if gpu else words
