"""Parses written dates into years: "c. 1615", "1885–86", "late 18th–early 19th century", "206 BCE–220 CE".

A date is read word by word. Numbers joined by a dash or stroke form one span; a comma, "or", "and" or a
bracket begins the next span. Words before a span qualify it: circa, a bound, a reign, or a later print or
cast. The date is the union of the spans; nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from pipeline.catalog.records.datewords import ERA, PARTS, TOKEN, piece

Precision = Literal["year", "range", "circa", "decade", "century", "before", "after"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
MAX_YEAR = 2100  # a larger number is an inventory number or a typing error, not a year
OLDEST = 40_000  # years before the common era: the oldest cave paintings
MAX_LENGTH = 300  # characters; a longer text is a remark, not a date


class Date(NamedTuple):
    """The earliest and the latest year that a written date allows, and its precision.

    Years are whole; a year before the common era is negative (44 BCE is -44) and there is no year 0.

    `precision` is one of
    - `year`: one year; days and months are dropped;
    - `range`: from one year to another, or one of several years;
    - `decade`, `century`: the span of a decade or a century that is written, or of a part of it;
    - `circa`: about, or with a question mark; the written years are not widened;
    - `before`, `after`: no later or no earlier than the written year. If only a publication, exhibition or
      cast is dated, the work was made `before` it.

    A later print, cast, edition or exhibition is ignored when the making is dated, too; a reworking is not.
    """

    earliest: int
    latest: int
    precision: Precision

    @property
    def middle(self) -> int:
        """The year in the middle of the span."""
        return (self.earliest + self.latest) // 2 or 1


def parse_date(written: str | None, begin: int | None = None, end: int | None = None) -> Date | None:
    """The years of a written date; `begin` and `end`, the record's numbers, are used if the text has no year.

    Returns:
        None when neither the text nor the numbers state a year.
    """
    found = _from_text(written) if written else None
    if found is not None:
        return found
    if begin and end and begin < end:
        return Date(begin, end, "range")
    if year := begin or end:
        return Date(year, year, "year")
    return None


def says_unknown(written: str) -> bool:
    """Whether a text states that there is no date ("n.d.", "date not known")."""
    return _UNKNOWN.match(written) is not None


def century(year: int) -> str:
    """The century of a year, in words: 1890 is in the '19th century', -44 in the '1st century BCE'."""
    number = (abs(year) - 1) // 100 + 1
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix} century" + (" BCE" if year < 0 else "")


_UNKNOWN = re.compile(
    r"\W*(?:n\.?\s?d\.?|no date|not dated|undated|s\.?d\.?|(?:date )?(?:is )?(?:unknown|not known|unrecorded)"
    r"|unknown date|undetermined|none|not available|n/a)\W*$",
    re.IGNORECASE,
)
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))
_PLAIN = re.compile(r"(c\.? ?|ca\. )?([0-9]{4})(?:-([0-9]{4}))?$")


# Name of a token's last group, if it differs from the token's kind.
_KINDS = {"which": "part", "unit": "part", "century": "nth"}


@dataclass(slots=True)
class _Part:
    """One year, decade or century of a span, counted within its era."""

    low: int
    high: int
    kind: Literal["year", "decade", "century", "nth"]  # nth: "18th", a century if the span ends in one
    bce: bool | None = None


@dataclass(slots=True)
class _Span:
    """Parts that dashes join, with their qualifiers."""

    parts: list[_Part] = field(default_factory=list)
    circa: bool = False
    bound: Literal["before", "after"] | None = None
    copy: bool = False
    reign: bool = False


def _from_text(written: str) -> Date | None:
    text = written[:MAX_LENGTH].translate(_DASHES).strip().lower()
    if plain := _PLAIN.match(text):
        low, high = int(plain[2]), int(plain[3] or plain[2])
        if 0 < low <= high <= MAX_YEAR:
            return Date(low, high, "circa" if plain[1] else "year" if low == high else "range")
    spans = [span for span in _Reader(text).spans if _settle(span)]
    made = [span for span in spans if not span.copy]
    if not made:
        made = sorted(spans, key=_low)[:1]
        for span in made:
            span.bound = span.bound or "before"
    made = [span for span in made if not span.reign] or made
    if not made:
        return None
    low, high = min(map(_low, made)), max(part.high for span in made for part in span.parts)
    return Date(low, high, _precision(made, low, high))


def _low(span: _Span) -> int:
    return min(part.low for part in span.parts)


def _precision(spans: list[_Span], low: int, high: int) -> Precision:
    if len(spans) == 1 and spans[0].bound:
        return spans[0].bound
    if any(span.circa or span.bound for span in spans):
        return "circa"
    kinds = {part.kind for span in spans for part in span.parts}
    if kinds & {"century", "nth"}:
        return "century"
    if "decade" in kinds:
        return "decade"
    return "year" if low == high else "range"


class _Reader:
    """Reads the words of a text from left to right into spans."""

    def __init__(self, text: str) -> None:
        self.eras = ERA.search(text) is not None
        self.spans: list[_Span] = []
        self.ahead = _Span()  # qualifier of the next span
        self.pieces: list[str] = []  # part of the next century or decade: "early", "mid"
        self.bce: bool | None = None  # era of the next number: "A.D. 14"
        self.joined = False  # whether the next number belongs to the last span
        for token in TOKEN.finditer(text):
            kind = _KINDS.get(token.lastgroup or "", token.lastgroup or "")
            if kind in ("iso", "numeric", "nth", "decade", "number"):
                self.number(token, kind)
            elif kind in ("join", "apart", "copy", "made"):
                self.connect(kind)
            elif kind == "part":
                self.pieces.append(piece(token))
            elif self.spans and kind in ("doubted", "earlier", "later", "copytag", "madetag", "bce", "ce"):
                self.behind(kind)
            else:
                self.announce(kind)

    def number(self, token: re.Match[str], kind: str) -> None:
        """A year, decade or century: the next part of the last span, or the first of a new one."""
        last = self.spans[-1] if self.spans and self.joined else None
        part = _part(token, kind, last.parts[-1] if last else None, self.pieces, self.eras)
        if part is None:
            return
        part.bce = self.bce
        if last is None:
            last = self.ahead
            self.spans.append(last)
        else:
            last.circa |= self.ahead.circa or self.ahead.bound is not None
        last.circa |= bool(self.pieces) and part.kind == "year"  # "early 1950"
        last.parts.append(part)
        self.ahead = _Span(copy=self.ahead.copy)
        self.pieces, self.bce, self.joined = [], None, False

    def connect(self, kind: str) -> None:
        """A dash joins two parts; a comma separates them; "printed" begins the date of a later copy."""
        if kind in ("copy", "made"):
            self.ahead.copy = kind == "copy"
        halfway = bool(self.spans) and self.spans[-1].parts[-1].kind == "nth"  # "18th and 19th centuries"
        self.joined = bool(self.spans) and (kind == "join" or (kind == "apart" and halfway))

    def behind(self, kind: str) -> None:
        """Handle a qualifier after a span: "1606?", "1900 or later", "1975 (manufactured)", "200 BCE"."""
        span = self.spans[-1]
        if kind in ("bce", "ce"):
            if span.parts[-1].bce is None:
                span.parts[-1].bce = kind == "bce"
            else:
                self.bce = kind == "bce"
        elif kind == "doubted":
            span.circa = True
        elif kind in ("copytag", "madetag"):
            span.copy = kind == "copytag"
        else:
            span.bound = "before" if kind == "earlier" else "after"

    def announce(self, kind: str) -> None:
        """Handle a qualifier before a span: "c. 1615", "after 1870", "Edo period (1603-1867)"."""
        if kind in ("circa", "doubt"):
            self.ahead.circa = True
        elif kind == "before":
            self.ahead.bound = "before"
        elif kind == "after":
            self.ahead.bound = "after"
        elif kind in ("bce", "ce"):
            self.bce = kind == "bce"
        elif kind == "reign":
            self.ahead.reign, self.pieces = True, []


def _part(
    token: re.Match[str], kind: str, previous: _Part | None, pieces: list[str], eras: bool
) -> _Part | None:
    """The part that a number means; None for a day, a count or an inventory number."""
    digits: str = token[kind]
    if kind == "nth":
        number = int(digits)
        if not 0 < number <= (100 if eras else 21):
            return None
        low, high = _offsets(pieces, 0, 99)
        start = number * 100 - 99
        return _Part(start + low, start + high, "century" if token["century"] else "nth")
    value = _value(digits, previous, eras) if len(digits) <= 5 else None
    if value is None or not 0 < value <= (OLDEST if eras else MAX_YEAR):
        return None
    if kind != "decade":
        return _Part(value, value, "year")
    if value % 100 == 0 and len(digits) > 2:  # "the 1700s" are a century
        low, high = _offsets(pieces, 0, 99)
        return _Part(value + low, value + high, "century")
    low, high = _offsets(pieces, 1, 9)
    return _Part(value + low, value + high, "decade")


def _offsets(pieces: list[str], column: int, whole: int) -> tuple[int, int]:
    if not pieces:
        return 0, whole
    found = [PARTS[name][column] for name in pieces]
    return min(low for low, _ in found), max(high for _, high in found)


def _value(digits: str, previous: _Part | None, eras: bool) -> int | None:
    """The number as written, or completed by the year before the dash: the 86 of "1885-86" is 1886."""
    value = int(digits)
    if previous is None or previous.kind not in ("year", "decade"):
        return value if len(digits) > 2 or eras else None
    year = str(previous.low)
    if len(digits) >= min(len(year), 3) or previous.bce:
        return value
    completed = int(year[: -len(digits)] + digits)
    if completed >= previous.low:
        return completed
    if eras:
        return value  # "200-50 BCE"
    turned = completed + 100  # "1898-02"
    return turned if digits[0] == "0" and len(digits) == 2 and turned - previous.low < 20 else None


def _settle(span: _Span) -> bool:
    """Assign each part its era and sort the parts; False when the span contains no date."""
    if all(part.kind != "century" for part in span.parts):
        span.parts = [part for part in span.parts if part.kind != "nth"]  # "May 18th"
    era = None
    for part in reversed(span.parts):  # "299-200 BCE": both
        era = part.bce = era if part.bce is None else part.bce
    span.parts = [part for part in span.parts if part.bce or part.high <= MAX_YEAR]
    if not span.parts:
        return False
    if era is None and span.reign and span.parts[-1].high < span.parts[0].low:
        for part in span.parts:  # a reign with decreasing years lies before the common era
            part.bce = True
    for part in span.parts:
        if part.bce:
            _count_back(part)
    first = span.parts[0]
    span.parts = [part for part in span.parts if part.low >= first.low]
    return True


def _count_back(part: _Part) -> None:
    """The years of a part before the common era; its late half is the one nearer to year 1."""
    if part.kind in ("year", "decade"):
        part.low, part.high = -part.high, -part.low
        return
    start = (part.low - 1) // 100 * 100 + 1
    part.low, part.high = part.low - 2 * start - 99, part.high - 2 * start - 99
