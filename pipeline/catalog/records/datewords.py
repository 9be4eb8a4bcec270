"""The vocabulary of written dates, which `dates` reads texts with."""

from __future__ import annotations

import re

# Where a written part lies in its century or decade, in years from its start.
PARTS = {
    "early": ((0, 33), (0, 3)), "mid": ((33, 66), (4, 6)), "late": ((66, 99), (7, 9)),
    "1 half": ((0, 49), (0, 4)), "2 half": ((50, 99), (5, 9)),
    "1 third": ((0, 33), (0, 3)), "2 third": ((33, 66), (4, 6)), "3 third": ((66, 99), (7, 9)),
    "1 quarter": ((0, 24), (0, 9)), "2 quarter": ((25, 49), (0, 9)),
    "3 quarter": ((50, 74), (0, 9)), "4 quarter": ((75, 99), (0, 9)),
}  # fmt: skip
ORDINALS = {"first": "1", "1st": "1", "second": "2", "2nd": "2", "third": "3", "3rd": "3",
             "fourth": "4", "4th": "4"}  # fmt: skip
LAST = {"half": "2", "third": "3", "quarter": "4"}
_COPY = (
    r"(?:re-?)?(?:printed|published|print|cast|manufactured|issued|produced|reproduced|edition|exhibited"
    r"|fabricated|patented|released|registered|installed|copied)|(?:enlarged |later )?version|restrike"
    r"|replica"
)
_MADE = (
    r"designed|design|drawn|block|plate|negative|begun|started|completed|finished|reworked|revised|altered"
    r"|repainted|painted|executed|modelled|made|created|conceived|taken"
)
TOKEN = re.compile(
    rf"""
      (?P<iso>[0-9]{{4}}(?=-[01][0-9]-[0-3][0-9]\b))-..-..
    | \b[0-9]{{1,2}}/(?:[0-9]{{1,2}}/)?(?P<numeric>[0-9]{{4}})\b
    | (?P<reign>\b(?:[0-9]{{1,2}}(?:st|nd|rd|th)\s+)?(?:dynasty|period|kingdom|era|reign)\b)
    | (?P<part>\b(?:(?P<which>first|second|third|fourth|last|1st|2nd|3rd|4th)\s+(?P<unit>half|quarter|third)
        |early|beginning|mid(?:dle)?|late|end)\b)
    | (?P<nth>[0-9]{{1,2}})(?:st|nd|rd|th)\b(?P<century>[\s-]*cent(?:ury|uries|\.))?
    | (?P<decade>[0-9]{{1,3}}0)'?s\b
    | (?P<number>[0-9]+)
    | (?P<bce>\bb\.?\s?c\.?(?:\s?e\b\.?)?(?![a-z]))
    | (?P<ce>\bc\.?\s?e\b\.?|\ba\.?\s?d\b\.?)
    | (?P<circa>\b(?:circa|ca|ci|c|about|around|approximately|approx|probably|possibly|perhaps|likely
        |presumably|um|vers)\b[.,]?|\bc(?=[0-9])|\bca(?=[0-9]))
    | (?P<doubted>(?<=[a-z0-9])\?|\(\s*\?\s*\)|\?\s*$)
    | (?P<doubt>\?)
    | (?P<before>\b(?:before|by|until|prior\s+to|no[t]?\s+(?:later\s+than|after)|ante)\b)
    | (?P<after>\b(?:after|since|no[t]?\s+(?:earlier\s+than|before)|post)\b)
    | (?P<earlier>\bor\s+(?:earlier|before)\b)
    | (?P<later>\bor\s+(?:later|after)\b)
    | \(\s*(?:(?P<copytag>{_COPY})|(?P<madetag>{_MADE}))\s*\)
    | (?P<copy>\b(?:{_COPY})\b)
    | (?P<made>\b(?:{_MADE})\b)
    | (?P<join>[-/]|\bto\b)
    | (?P<apart>[,;(&]|\b(?:or|and)\b)
    | [^\W\d_]+  # a month, a name: passed over, so that no word is found inside another
    """,
    re.VERBOSE,
)
# An era anywhere in a text: with one, a year may have one, two or five digits.
ERA = re.compile(r"(?<![a-z])(?:b\.?\s?c(?:\.?\s?e)?|c\.?\s?e|a\.?\s?d)(?![a-z])")


def piece(token: re.Match[str]) -> str:
    """The key in PARTS of a `part` token: "beginning" is "early", "last quarter" is "4 quarter"."""
    if token["which"]:
        return f"{ORDINALS.get(token['which']) or LAST[token['unit']]} {token['unit']}"
    word: str = token["part"]
    return {"beginning": "early", "middle": "mid", "end": "late"}.get(word, word)
