"""What a user asked wrongly: where, the rule, the value, the remedy; all of it at once."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


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
    """An InvalidInput of one problem."""
    return InvalidInput([Problem(where, message)])


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """“unknown method `dagann` (did you mean `dagan`?). Known: c, c_aug, …”."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean `{near[0]}`?)" if near else ""
    return f"unknown {kind} `{name}`{hint}. Known: {', '.join(known)}."


def first_line(error: BaseException) -> str:
    """An exception in one line: its type, and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
