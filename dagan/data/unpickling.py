"""Pickles of arrays from elsewhere, such as CIFAR-10's batches: read without running what they may ask for."""

import pickle
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np


def latin1(text: str, encoding: str) -> bytes:
    """Encode text as pickles of the second protocol ask for; no codec but theirs."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {encoding!r} are not read")
    return text.encode("latin1")


RECONSTRUCT: Any = np.empty(0).__reduce__()[0]
FROM_BUFFER: Any = np.empty(0).__reduce_ex__(5)[0]
ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): RECONSTRUCT,
    ("numpy.core.numeric", "_frombuffer"): FROM_BUFFER,
    ("numpy._core.numeric", "_frombuffer"): FROM_BUFFER,
    ("_codecs", "encode"): latin1,
}
"""What a pickled array is put together with, in every version of numpy and of the format. Nothing else is called."""


class ArrayUnpickler(pickle.Unpickler):
    """Admits arrays, and what Python writes without a name: numbers, text, bytes, lists, tuples, dictionaries."""

    def find_class(self, module: str, name: str) -> Any:
        """Return an admitted callable.

        Raises:
            UnpicklingError: any other.
        """
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which no data set needs")
        return ADMITTED[module, name]


def unpickled(content: bytes) -> Any:
    """Read the value in a pickle of arrays and containers; text of Python 2 comes as bytes.

    Raises:
        UnpicklingError: the pickle asks for anything else. Damaged pickles raise whatever Python raises.
    """
    return ArrayUnpickler(BytesIO(content), encoding="bytes").load()
