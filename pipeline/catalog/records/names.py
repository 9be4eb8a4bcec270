"""Puts names in their natural order: "Turner, Joseph Mallord William" is Joseph Mallord William Turner."""

from __future__ import annotations

import re

from pipeline.catalog.records.vocabulary import nationality

# Words after a comma that stay after the name: "Momper, Joos de, II", "Moore, Henry, OM, CH".
_SUFFIX = re.compile(
    r"(?:[IVX]+|P?RS?A|ARA|RWS|RI|FRS|OM|CH|[CDKMO]BE|KC[BV]O?|[AP]?\.?R\.A\.|of \S.*"
    r"|(?i:[js]r\.?|junior|senior|the (?:elder|younger|first|second|third)|ba?r?t\.?|esq\.?))$"
)
_NOBLE = re.compile(
    r"(?:\w+ )?(?:earl|duke|marquis|marquess|marchioness|countess|duchess|viscount|viscountess|baron|baroness"
    r"|count)\b.*|lord \w+$", re.IGNORECASE,
)  # fmt: skip
_FIRM = re.compile(
    r"&|\band\b|\bund\b|\+|\b(?:inc|co|ltd|llc|corp|bros|assoc|cie|incorporated|company|corporation|brothers"
    r"|sons|associates|architects?|studios?|partners|group|factory|manufactory|pottery|potteries|works|press|project"
    r"|administration|museum|university|institute|society|gallery|photographers|department|school|workshop)\b",
    re.IGNORECASE,
)
_PARTICLES = frozenset(
    ("van", "von", "de", "del", "della", "di", "da", "du", "des", "la", "le", "les", "el", "al", "ter", "ten",
     "den", "der", "dos", "d'", "st.", "saint", "san")
)  # fmt: skip
_MARKS = re.compile(r"[()\[\]|;]|, ")
_TITLES = frozenset(("sir", "dame", "lady", "lord", "rev.", "dr", "dr."))


def makers(text: str, qualifier: re.Pattern[str]) -> list[str]:
    """Split a text into makers: at "|", at ";" and before ", attributed to", but not within brackets.

    Text after a nationality and ";" is a place ("Italian; Tuscany"), not a maker.
    """
    cuts, start, depth = [], 0, 0
    for match in _MARKS.finditer(text):
        mark = match[0]
        if mark in "([":
            depth += 1
        elif mark in ")]":
            depth = max(0, depth - 1)
        elif depth == 0 and (mark != ", " or _begins(text[match.end() :], qualifier)):
            cuts.append(text[start : match.start()])
            start = match.end()
    parts = [part for part in (part.strip() for part in [*cuts, text[start:]]) if part] or [text]
    return parts[:1] if len(parts) > 1 and "|" not in text and nationality(parts[0]) else parts


def _begins(rest: str, qualifier: re.Pattern[str]) -> bool:
    """Whether a qualifier and a name follow ("..., attributed to" alone belongs to the name before)."""
    found = qualifier.match(rest)
    return found is not None and found.end() < len(rest)


def in_order(name: str) -> str:
    """A name with its given names first; the name of a firm and a name without a comma stay as they are.

    Two full names with a comma between are two makers: "Jake Chapman, Dinos Chapman" becomes
    "Jake Chapman; Dinos Chapman". Words are never changed.
    """
    if "," not in name or _FIRM.search(name):
        return name
    parts = [part for part in (part.strip() for part in name.split(",")) if part]
    core = parts[:1]
    behind: list[str] = []
    for part in parts[1:]:
        if _SUFFIX.match(part) or _NOBLE.match(part):
            behind.append(part)
        else:
            core.append(part)
    if behind and behind[-1].endswith(" of"):  # "Aylesford, Heneage Finch, Fourth Earl of"
        behind[-1] += f" {core.pop(0)}"
        if not core:
            return name
    if len(core) == 2 and not _two_makers(core):
        core = [f"{core[1]} {core[0]}"]
    elif len(core) > 1:
        if not _two_makers(core):
            return name
        core = ["; ".join(core)]
    for part in behind:
        core.append(f", {part}" if _NOBLE.match(part) else f" {part}")
    return "".join(core)


def _two_makers(core: list[str]) -> bool:
    """Whether the parts are full names; "Vieira da Silva, Maria Helena" and "Boyce, George P." are one."""
    if not all(" " in part for part in core):
        return False
    if len(core) > 2:
        return True
    given = core[1].lower().split()
    if given[0] in _TITLES and len(given) == 2:
        return False
    return not (_PARTICLES & set(core[0].lower().split()) or given[-1] in _PARTICLES or len(given[-1]) < 3)
