"""Reasons why works failed, grouped by kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

COMMONEST = 3  # kinds of reasons that a summary names

# What differs between reasons of one kind: the name of another file, quoted words, numbers. A number that
# belongs to a word (UTF-8, sha256) stays.
_NAME = re.compile(r"(?<=the same file as ).*|(?<=the same picture as ).*")
_DETAIL = re.compile(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|(?<!\w)(?<![A-Za-z]-)\d+(?:[.,]\d+)*")


def reason_kind(reason: str) -> str:
    """A reason with an ellipsis in the place of each name, quoted word and number."""
    return _DETAIL.sub("…", _NAME.sub("…", reason))


def commonest(failures: Mapping[str, str], count: int = COMMONEST) -> list[dict[str, Any]]:
    """The commonest kinds of reasons, as rows of `reason`, `works` and one work as `example`.

    Args:
        failures: id of a work -> the reason why it failed.
        count: number of rows at most.
    """
    kinds: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for work, reason in sorted(failures.items()):
        kind = reason_kind(reason)
        kinds[kind] += 1
        examples.setdefault(kind, work)
    ranked = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    return [{"reason": name, "works": n, "example": examples[name]} for name, n in ranked[:count]]
