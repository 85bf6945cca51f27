"""What is said of signals while a run goes on."""

import os
import signal
import threading
import time

import pytest

from sweeps.run.interrupts import answering


@pytest.fixture
def other_signal():
    before = signal.signal(signal.SIGUSR1, lambda *told: None)
    yield signal.SIGUSR1
    signal.signal(signal.SIGUSR1, before)


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)


def test_an_interrupt_is_answered_at_once_and_nothing_else_is(other_signal, capsys):
    threads = threading.active_count()
    with answering():
        os.kill(os.getpid(), other_signal)
        time.sleep(0.1)
        assert capsys.readouterr().err == ""
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        deadline = time.monotonic() + 5
        while not (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert said == "stopping …\n"
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    assert capsys.readouterr().err == "", "said once"
    assert threading.active_count() == threads
    assert signal.set_wakeup_fd(-1) == -1


def test_where_nothing_happens_nothing_is_said(capsys):
    with answering():
        pass
    assert capsys.readouterr().err == ""
