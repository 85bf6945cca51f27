"""Errors and warnings for users: where, the rule, the value, the remedy; everything that is wrong at once."""

import difflib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Problem:
    """One thing that cannot be as asked."""

    where: str
    """Dotted key, path or option that holds the value."""
    message: str
    """The rule, the value that breaks it and, where it is not plain, the remedy."""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class InvalidInput(ValueError):
    """Bad input, refused before any work was done; the command line turns it into exit code 2."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type["InvalidInput"], tuple[tuple[Problem, ...]]]:
        """Pickle by problems: the error crosses process borders in a sweep."""
        return type(self), (self.problems,)


def refuse(where: str, message: str) -> InvalidInput:
    """Return an InvalidInput of one problem, to be raised."""
    return InvalidInput([Problem(where, message)])


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return “unknown method `dagann` (did you mean `dagan`?). Known: c, c_aug, …”."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1) or [one for one in known if "_" in one and initials(one) == name]
    hint = f" (did you mean `{near[0]}`?)" if near else ""
    return f"unknown {kind} `{name}`{hint}. Known: {', '.join(known)}."


def initials(name: str) -> str:
    """Return the first letters of the words of a key's last part: `lr` of `gan.learning_rate`, after its section."""
    section, dot, leaf = name.rpartition(".")
    return section + dot + "".join(word[:1] for word in leaf.split("_"))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def in_one_line(error: BaseException) -> str:
    """Return the type of an error and the first line of its message."""
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"


def last_line(error: BaseException) -> str:
    """Return the last line of an error's message, where Ray puts the cause, or the name of its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]


@cache
def warn_once(message: str) -> None:
    """Log a warning, the same one only once per process: every training of a sweep would repeat it."""
    logging.getLogger("dagan").warning(message)
