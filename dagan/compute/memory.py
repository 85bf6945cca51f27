"""How this process keeps memory that tensors have given back."""

import contextlib
import ctypes
from functools import cache

MALLOC_TRIM_THRESHOLD, MALLOC_TOP_PAD, MALLOC_MMAP_MAX, MALLOC_ARENA_MAX = -1, -2, -4, -8
"""Options of glibc's mallopt(3)."""


@cache
def keep_freed_memory() -> None:
    """Have the C library keep freed memory instead of giving it back and asking for it again at every tensor.

    A new page must be cleared by the kernel: without this a tenth of a step of full-width conv32 went into that. One
    arena for all threads, as those of threads hold no large tensor; a thread that has allocated before keeps its own.
    """
    options = {
        MALLOC_MMAP_MAX: 0,
        MALLOC_TRIM_THRESHOLD: 2**31 - 1,
        MALLOC_TOP_PAD: 2**26,
        MALLOC_ARENA_MAX: 1,
    }
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        for option, value in options.items():
            mallopt(option, value)
