"""Parses a written medium into material and support: "Oil on canvas", "Gelatin silver print".

Terms follow the Getty Art & Architecture Thesaurus where possible: the generic term, in lower case.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeline.catalog.records.mediawords import MATERIAL, MATERIALS, SUPPORT, SUPPORTS

MAX_LENGTH = 1000  # characters; a longer text is a description


class Medium(NamedTuple):
    """Material and support of a work; None when the text does not state it.

    `material` is the paint, the drawing material, the print process or the material of an object; several
    are joined by ", " in the written order. `support` is the surface that carries it.
    """

    material: str | None
    support: str | None


# Text after these words does not describe the work itself: a second side, a mount, a frame, a former support.
_END = re.compile(
    r"[.;,]?\s*\(?\b(?:verso|reverse|mounted|transferred|laid down|laid|framed|in\s+(?:\w+\s+)?frame"
    r"|with\s+frame"
    r"|attached|affixed|adhered|bound|from\s+wood|from\s+panel)\b"
)
_TO = re.compile(r"transferred\s+(?:from\s+\w+\s+)?(?:on)?to\s+(.*)")
_FRAME = re.compile(r"[;,]\s*[\w ]*\bframe\b.*")
_BASE = re.compile(r"\son\s[\w ]*\bbase\b.*")
_FORMAT = re.compile(
    r"^(?:handscroll|hanging scroll|album|folding fan|set of|pair of|four|six|fan|book)[^;]*;\s*"
)
# Media that are on paper unless a support is named.
_ON_PAPER = {
    "etching", "aquatint", "engraving", "drypoint", "mezzotint", "lithograph", "screenprint", "woodcut",
    "wood engraving", "linocut", "gelatin silver print", "albumen print", "chromogenic print",
    "platinum print",
    "salted paper print", "cyanotype", "photogravure", "inkjet print", "blueprint", "photocopy",
    "dye destruction print", "dye transfer print", "intaglio print", "relief print",
}  # fmt: skip
_GENERIC = {"print", "photograph", "paint"}  # ignored beside a more specific word


def parse_medium(written: str | None) -> Medium:
    """Parse a written medium into material and support.

    The support follows the first "on"; for a transferred picture it is the new support. A print or
    photograph without a support is on paper.
    """
    if not written:
        return Medium(None, None)
    text = " ".join(written[:MAX_LENGTH].lower().replace("’", "'").split())
    text = _FORMAT.sub("", text)
    moved = _TO.search(text)
    text = _BASE.sub("", _FRAME.sub("", text))
    end = _END.search(text)
    if end and end.start() > 0:
        text = text[: end.start()]
    before, on, after = _split(text)
    materials, later = (_found(MATERIAL, MATERIALS, part) for part in (before, after.partition(",")[2]))
    if not materials:  # "2 works on printed paper, oil paint"
        materials = later
    elif "gold" in later and "gold" not in materials:  # "on panel, gold ground"
        materials.append("gold")
    support = next(iter(_found(SUPPORT, SUPPORTS, moved[1] if moved else after if on else "")), None)
    if len(materials) > 1:
        materials = [name for name in materials if name not in _GENERIC] or materials[:1]
    if support is None and not on and materials and all(name in _ON_PAPER for name in materials):
        support = "paper"
    return Medium(", ".join(materials) or None, support)


def _split(text: str) -> tuple[str, bool, str]:
    found = re.search(r"\s(?:on|over|onto)\s", text)
    return (text[: found.start()], True, text[found.end() :]) if found else (text, False, "")


def _found(pattern: re.Pattern[str], terms: dict[str, str], text: str) -> list[str]:
    return list(dict.fromkeys(terms[match[0]] for match in pattern.finditer(text)))
