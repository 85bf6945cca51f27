"""Files and folders that are there as a whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from dagan.errors import refuse

UNFINISHED = ".unfinished"
"""Where the contents lie until they are complete; readers of image folders pass hidden names over."""


def require_new(folder: Path, where: str) -> None:
    """Check that nothing is in the way of a new folder, so that one can ask before the work.

    Raises:
        InvalidInput: a file, or a folder with something in it.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise refuse(where, f"must be a folder, but `{folder}` is a file. Choose another name.")
    others = sorted(entry.name for entry in folder.iterdir() if entry.name != UNFINISHED)
    if others:
        raise refuse(where, f"must be new or empty, but `{folder}` holds `{others[0]}`. Choose another, or remove it.")


@contextmanager
def new_folder(folder: Path, where: str, *, last: str) -> Iterator[Path]:
    """Yield a place to write the contents of a folder; at the end they are moved in, the file named `last` last.

    Who does not find that file knows that the folder is not complete. After an error nothing is left.

    Raises:
        InvalidInput: as `require_new`.
    """
    require_new(folder, where)
    made = not folder.exists()
    inside = folder / UNFINISHED
    shutil.rmtree(inside, ignore_errors=True)  # of a run that was killed
    inside.mkdir(parents=True)
    try:
        yield inside
        for entry in sorted(inside.iterdir(), key=lambda entry: (entry.name == last, entry.name)):
            entry.rename(folder / entry.name)
        inside.rmdir()
    except BaseException:
        shutil.rmtree(folder if made else inside, ignore_errors=True)
        raise


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Be alone with the files of a name in a folder: the trials of a sweep all come to them at once."""
    lock = FileLock(folder / f".{name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:  # a folder that nobody can write to: nobody changes its files
        yield
        return
    try:
        yield
    finally:
        lock.release()


def cache_folder() -> Path:
    """Return where this machine keeps what can be made again, at some cost."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dagan"


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file, text as UTF-8, so that a reader sees the old one or the new one, never a part.

    If `durable`, so it is after a crash of the machine, at the cost of waiting for the disk.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
