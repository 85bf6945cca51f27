"""What was passed over and is worth a word, though no reason to stop."""

import logging
from functools import cache


@cache
def notice(message: str) -> None:
    """Log a warning, the same one only once per process: every training of a sweep would repeat it."""
    logging.getLogger("dagan").warning(message)
