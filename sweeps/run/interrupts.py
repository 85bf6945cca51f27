"""Interrupts: SIGTERM ends a run as Ctrl-C does, and both are answered at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

GRACE_SECONDS = 20
"""Time for a clean stop after a SIGTERM, then the driver exits: whoever sent it may kill soon, or has ended Ray."""


@contextlib.contextmanager
def terminating_gently() -> Iterator[None]:
    """Turn SIGTERM (`ray job stop`, scancel, Kubernetes) into Ctrl-C: the run stops and nothing is lost."""

    def leave() -> None:
        print("terminated; what has finished is kept, and the same command goes on", file=sys.stderr, flush=True)
        os._exit(128 + signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone, and only there may a handler be set
        return
    last_resort = threading.Timer(GRACE_SECONDS, leave)
    last_resort.daemon = True

    def interrupt(_signal: int, _frame: object) -> None:
        if not last_resort.is_alive():
            last_resort.start()
            if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts jobs in the background
                signal.signal(signal.SIGINT, signal.default_int_handler)
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with answering():
            yield
    finally:
        last_resort.cancel()
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Say at once that a signal was heard, whoever handles it: Ray takes seconds to stop, and says nothing."""
    heard, wake = os.pipe()
    os.set_blocking(wake, False)

    def answer() -> None:
        while number := os.read(heard, 1)[0]:  # of any signal that has a handler; zero at the end
            if number in (signal.SIGINT, signal.SIGTERM):
                print("stopping …", file=sys.stderr, flush=True)
                return

    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(wake, b"\0")
        thread.join()
        os.close(wake)
        os.close(heard)
