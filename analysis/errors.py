"""The error that analysis raises about its input."""


class ResultsError(ValueError):
    """A table or file breaks a rule; the message states the rule, the value and the remedy."""
