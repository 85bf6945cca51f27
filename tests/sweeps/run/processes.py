"""Commands in processes of their own, to be killed and stopped."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

COMMAND = (sys.executable, "-m", "sweeps", "run", "study.yaml", "--wandb", "off")
INLINE = (*COMMAND, "--executor", "inline")


def folder_of(folder: Path, tree: dict[str, Any]) -> Path:
    """A folder with a study file."""
    folder.mkdir(exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(tree, sort_keys=False))
    return folder


def run(folder: Path, *words: str, command: tuple[str, ...] = COMMAND) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    return subprocess.run([*command, *words], cwd=folder, capture_output=True, text=True, timeout=400)


@contextlib.contextmanager
def started(folder: Path, *words: str, command: tuple[str, ...] = COMMAND, **options: Any) -> Iterator[Any]:
    """A command that has just been started."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, *words], cwd=folder, **pipes, **options) as driver:
        yield driver


def wait(driver: Any, condition: Callable[[], object]) -> Any:
    """What a condition gives, once it gives something; the driver must not end before."""
    deadline = time.monotonic() + 240
    while not (found := condition()):
        assert driver.poll() is None, driver.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def trainers(driver: int, title: str = "ImplicitFunc.train") -> list[int]:
    """The processes below a driver that Ray gives this title: those that train a trial right now."""
    below, found = [driver], []
    while below:
        pid = below.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may have ended by now
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                below += map(int, children.read_text().split())
            if title in Path(f"/proc/{pid}/cmdline").read_text():
                found.append(pid)
    return found
