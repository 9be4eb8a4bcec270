"""Parses a written maker into name, qualifier, nationality, and the years of birth and death.

Examples: "Workshop of Diego Velázquez (Spanish, 1599–1660)", "Turner, Joseph Mallord William 1775-1851",
"unknown American, PA, Pittsburgh", "British School 19th century", "Flemish; possibly Antwerp".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeline.catalog.records.names import in_order, makers
from pipeline.catalog.records.vocabulary import adjective, nationality

MAX_LENGTH = 600  # characters; a longer text is a remark, and becomes the name unparsed


class Artist(NamedTuple):
    """A maker, and how the work relates to the maker. What the text does not state is None.

    Several makers share one `name`, joined by "; ". Birth and death are then None, and nationality is the one
    that they share. A work by a master or by the workshop counts as the workshop's. Years of birth and death
    are the written ones, without "c.", "before" or "after". Of "1598/1604–1670" the birth is the earlier
    year, of "–1575/77" the death is the later one. Years of activity are neither birth nor death.
    """

    name: str | None
    qualifier: str | None = None  # as in QUALIFIERS; None when the work is by the maker
    nationality: str | None = None  # an adjective of the vocabulary
    birth: int | None = None
    death: int | None = None


# How a work may relate to a maker -> other ways to write it.
QUALIFIERS = {
    "attributed to": "attrib. to; attr. to; attributed", "formerly attributed to": "",
    "possibly by": "possibly; perhaps by", "probably by": "probably",
    "workshop of": "the workshop of; workshop", "studio of": "the studio of; atelier of",
    "circle of": "the circle of", "follower of": "a follower of; followers of; close follower of",
    "school of": "the school of", "style of": "in the style of",
    "manner of": "in the manner of", "imitator of": "pseudo",
    "pupil of": "student of", "assistant of": "assistant to; assistants of",
    "copyist of": "", "after": "copy after; copied after; copy of", "associated with": "",
}  # fmt: skip
_CANONICAL = {name: name for name in QUALIFIERS} | {
    other.strip(): name for name, others in QUALIFIERS.items() for other in others.split(";") if other.strip()
}
_NAMES = "|".join(re.escape(name) for name in sorted(_CANONICAL, key=len, reverse=True))
_LEADING = re.compile(rf"(?:or |by |(?:painting|drawing|print) )?({_NAMES})(?::| by)?\s+", re.IGNORECASE)
_TRAILING = re.compile(rf"(?:,\s*({_NAMES})|(?<=\w) (workshop|and assistants))$", re.IGNORECASE)
_WHO = (
    r"(?:artist|maker|painter|master|photographer|engraver|printmaker|draughtsman|sculptor|designer|author)"
)
_UNKNOWN = re.compile(
    rf"(?:(?:an? )?(?:unidentified|unknown|anonymous|undetermined|not known)\b(?: {_WHO})?s?"
    rf"|{_WHO},? (?:unknown|unidentified|not known|anonymous)|anon\.?|n/a|none|undetermined)"
    r"(?=$|[ .,;(\[?])[.\s,;]*",
    re.IGNORECASE,
)
_SCHOOL = re.compile(r"(.+?)\s*(?:\(\?\)\s*)?school\b(?:,?\s*[^,]*century[^,]*)?$", re.IGNORECASE)
_CENTURY = re.compile(
    r",?\s*(?:early|mid|late|(?:first|second) half of the)?[\s-]*\d+(?:st|nd|rd|th)[\s-]+century.*$",
    re.IGNORECASE,
)
_OR, _OR_BY = re.compile(r" or |/"), re.compile(r"^(?:or|by) ", re.IGNORECASE)
_BITS = re.compile(r"[,;]")
_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]*)[)\]]")
_PLAIN = re.compile(r"[^\d,;|()\[\]?]+$")
_SPECIAL = re.compile(
    rf"(?:or |by |a |the |painting |drawing |print )?(?:{_NAMES}|un|anon|artist|maker|not|none)"
    r"|.* (?:workshop|assistants|school|unknown|anonymous|unidentified)\b", re.IGNORECASE,
)  # fmt: skip

_ABOUT = r"(?:\b(?:c|ca|circa|about|by|before|after|or)\b\.?|\?|\s)*"
_YEARS = r"(\d{3,4})(?:\s*(?:/|or)\s*\d{1,4})?\s*\??"
_LIFE = re.compile(
    rf"(?<![\d/]){_YEARS}\s*-{_ABOUT}(\d{{2,4}})(?:\s*(?:/|or)\s*(\d{{1,4}}))?(?!\d)", re.IGNORECASE
)
_BORN = re.compile(r"\b(?:born|b\.)\D{0,40}?(\d{4})(?!\d)", re.IGNORECASE)
_DIED = re.compile(r"\b(?:died|d\.)\D{0,40}?(\d{4})(?:\s*(?:/|or)\s*(\d{1,4}))?(?!\d)", re.IGNORECASE)
_LIVING = re.compile(r"(?<!\d)(\d{4})\s*-\s*(?:present)?$", re.IGNORECASE)
_ACTIVE = re.compile(
    r"\b(?:active|act\.|documented|doc\.|fl\.?|flourished|exhibited|recorded|known|worked|established|founded"
    r"|r\.|reigned|century)(?=\W|$)", re.IGNORECASE,
)  # fmt: skip
_DATES_AT_END = re.compile(
    rf"[\s,]+((?:born|b\.|active|act\.|fl\.|flourished|died|d\.)\s[^,;]*\d[^,;]*|{_ABOUT}\d{{3,4}}[^,;]*-[^,;]*)$",
    re.IGNORECASE,
)
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−", "-"))


def parse_artist(written: str | None) -> Artist:
    """Parse a written maker; a maker who is stated to be unknown has no name."""
    if not written:
        return Artist(None)
    text = " ".join(written.split())
    if _PLAIN.match(text) and not _SPECIAL.match(text):  # most are a plain name
        origin = _origin(text) if text.count(" ") < 4 else None
        return Artist(None, nationality=origin) if origin else Artist(_lettered(text))
    if len(text) > MAX_LENGTH:
        return Artist(_lettered(text))
    return _merged([_maker(part) for part in makers(text, _LEADING)])


def says_unknown(written: str) -> bool:
    """Whether a text states that the maker is unknown."""
    return _UNKNOWN.match(" ".join(written.split())) is not None


def life_years(written: str | None) -> tuple[int | None, int | None]:
    """Years of birth and death in a short biography: "French, Paris 1832–1883 Paris", "born 1930".

    Returns:
        None for a missing year, for years of activity only, and for two lives.
    """
    if not written:
        return None, None
    births: set[int] = set()
    deaths: set[int] = set()
    for bit in _BITS.split(written[:MAX_LENGTH].translate(_DASHES)):
        if any(character.isdigit() for character in bit):
            birth, death = _life(bit.strip())
            births |= {birth} if birth else set()
            deaths |= {death} if death else set()
    if len(births) > 1 or len(deaths) > 1:
        return None, None
    birth, death = next(iter(births), None), next(iter(deaths), None)
    return (birth, death) if not (birth and death) or birth <= death else (None, None)


def _life(bit: str) -> tuple[int | None, int | None]:
    born, died = _BORN.search(bit), _DIED.search(bit)
    birth, death = (int(born[1]) if born else None), (_completed(died[1], died[2] or "") if died else None)
    if birth or death or _ACTIVE.search(bit):
        return birth, death
    if span := _LIFE.search(bit):
        start, end, or_end = span.groups()
        year = _completed(start, end)
        return int(start), _completed(str(year), or_end) if or_end else year
    if living := _LIVING.search(bit):
        return int(living[1]), None
    return None, None


def _completed(year: str, short: str) -> int:
    """Complete a short year by the one before: the 63 of "1903–63" is 1963."""
    return int(year[: len(year) - len(short)] + short) if len(short) < len(year) else int(short)


def _merged(parts: list[Artist]) -> Artist:
    """Several makers as one: all names, and what is equal for all of them."""
    if len(parts) == 1:
        return parts[0]
    names = list(dict.fromkeys(part.name for part in parts if part.name))
    origins = {part.nationality for part in parts if part.nationality}
    first = names[0] if names else None
    qualifier = next((part.qualifier for part in parts if part.name == first and part.qualifier), None)
    birth, death = None, None
    if len(names) <= 1:
        birth = next((part.birth for part in parts if part.birth), None)
        death = next((part.death for part in parts if part.death), None)
    return Artist(
        "; ".join(names) or None, qualifier, origins.pop() if len(origins) == 1 else None, birth, death
    )


def _maker(text: str) -> Artist:
    """One maker."""
    qualifier, origin, birth, death = None, None, None, None
    for bracket in _BRACKETS.finditer(text):
        detail = bracket[1]
        qualifier = qualifier or _CANONICAL.get(detail.lower())
        origin = origin or next((found for bit in _BITS.split(detail) if (found := _origin(bit))), None)
        if birth is None and death is None:
            birth, death = life_years(detail)
    text = _BRACKETS.sub("", text).strip(" ,;")
    if ended := _DATES_AT_END.search(text.translate(_DASHES)):
        if birth is None and death is None:
            birth, death = life_years(ended[1])
        text = text[: ended.start()].strip(" ,;")
    said, text = _qualified(text)
    qualifier = qualifier or said
    if unknown := _UNKNOWN.match(text):
        return Artist(None, qualifier, origin or nationality(text[unknown.end() :]), birth, death)
    school = _SCHOOL.match(text)
    found = nationality(school[1]) if school else _origin(_CENTURY.sub("", text))
    if found:
        return Artist(None, qualifier, found)
    return Artist(_lettered(in_order(text)), qualifier, origin, birth, death)


def _lettered(name: str) -> str | None:
    """A name; None for a text without a letter."""
    return name if any(character.isalpha() for character in name) else None


def _origin(bit: str) -> str | None:
    """The nationality of a phrase that states nothing else ("Bavarian or Austrian")."""
    return adjective(_OR.split(bit, maxsplit=1)[0])


def _qualified(text: str) -> tuple[str | None, str]:
    """The qualifier before or after a name, and the name."""
    qualifier = None
    while leading := _LEADING.match(text):
        qualifier = qualifier or _CANONICAL[leading[1].lower()]
        text = text[leading.end() :]
    text = _OR_BY.sub("", text)
    if trailing := _TRAILING.search(text):
        word = (trailing[1] or trailing[2]).lower()
        qualifier = qualifier or ("workshop of" if word == "and assistants" else _CANONICAL[word])
        text = text[: trailing.start()]
    return qualifier, text
