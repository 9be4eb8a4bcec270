"""Written dates to years: "ca. 1512–15", "1787–88", "late 15th century", "1866"."""

from __future__ import annotations

import re
from typing import NamedTuple

_CENTURY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)[\s-]+century", re.IGNORECASE)
_RANGE = re.compile(r"(?<!\d)(\d{3,4})\s*[-–—/]\s*(?:ca?\.\s*)?(\d{1,4})(?!\d)")
_YEAR = re.compile(r"(?<!\d)(\d{3,4})(?!\d)")
# Where in its century a written part lies, in years from its start.
_PARTS = {
    "early": (0, 33),
    "mid": (33, 66),
    "late": (66, 99),
    "first half": (0, 49),
    "second half": (50, 99),
    "first quarter": (0, 24),
    "second quarter": (25, 49),
    "third quarter": (50, 74),
    "last quarter": (75, 99),
}


class Years(NamedTuple):
    """The earliest and the latest year that a written date allows, CE."""

    earliest: int
    latest: int

    @property
    def middle(self) -> int:
        """The year that stands for the span."""
        return (self.earliest + self.latest) // 2


def parse_years(written: str | None, begin: int | None = None, end: int | None = None) -> Years | None:
    """The years of a written date; `begin` and `end`, the record's own numbers, help out.

    Returns:
        None when neither the text nor the numbers say a year.
    """
    found = _from_text(written or "")
    if found is not None:
        return found
    if begin and end and begin <= end:
        return Years(begin, end)
    if begin or end:
        year = begin or end or 0
        return Years(year, year)
    return None


def century(year: int) -> str:
    """The century of a year, in words: 1890 is in the '19th century'."""
    number = (year - 1) // 100 + 1
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix} century"


def _from_text(written: str) -> Years | None:
    if "B.C" in written.upper():
        return None  # centuries before the common era are counted otherwise
    if match := _RANGE.search(written):
        first, second = match.groups()
        last = int(first[: len(first) - len(second)] + second) if len(second) < len(first) else int(second)
        if last >= int(first):
            return Years(int(first), last)
    if match := _YEAR.search(written):
        return Years(int(match[1]), int(match[1]))
    if match := _CENTURY.search(written):
        start = (int(match[1]) - 1) * 100 + 1
        for part, (low, high) in _PARTS.items():
            if part in written.lower():
                return Years(start + low, start + high)
        return Years(start, start + 99)
    return None
