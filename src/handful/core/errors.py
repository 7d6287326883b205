"""The one error a user may see: what was wrong, what is allowed, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A failure that the user can mend.

    Args:
        what: what was found, with the value seen.
        allowed: what is allowed, with the number.
        do: a command to type or a setting to change.
    """

    def __init__(self, what: str, allowed: str, do: str) -> None:
        super().__init__(what, allowed, do)
        self.what = _one_line(what)
        self.allowed = _one_line(allowed)
        self.do = _one_line(do)

    def __str__(self) -> str:
        return f"{self.what}\n{self.allowed}\n{self.do}"


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, or None where none is near."""
    matches = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def unknown_name(kind: str, name: str, known: Iterable[str], listing: str) -> UserError:
    """The error for a name that does not exist, with the nearest one that does.

    Args:
        kind: what the name should name, for example "generator".
        name: the name seen.
        known: the names that exist.
        listing: the command that lists them.
    """
    names = sorted(known)
    near = nearest_name(name, names)
    do = f"Did you mean '{near}'? `{listing}` explains each." if near else f"`{listing}` explains each."
    return UserError(f"There is no {kind} called '{name}'.", f"These exist: {', '.join(names)}.", do)


def _one_line(text: str) -> str:
    return " ".join(text.split())
