"""Numbers and lists in words, the same on every page."""

from __future__ import annotations

from collections.abc import Sequence


def number(value: float) -> str:
    """A value to three significant digits, with a true minus sign: 0.0123, 12.3, 1230, −0.0041."""
    if value == 0:
        return "0"
    digits = f"{abs(value):.2e}"
    exponent = int(digits.split("e")[1])
    text = digits if exponent < -4 or exponent > 6 else f"{abs(value):.{max(0, 2 - exponent)}f}"
    return f"−{text}" if value < 0 else text


def percent(share: float) -> str:
    """A share as '23 %'; below 10 % with a digit more: '3.4 %'."""
    return f"{100 * share:.1f} %" if 0 < share < 0.1 else f"{100 * share:.0f} %"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def join_words(words: Sequence[str], last: str = "and") -> str:
    """'a', 'a and b', 'a, b and c'."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def seconds_words(seconds: float) -> str:
    """A time as one would say it: '8 s', '3 min 20 s', '2 h 5 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
