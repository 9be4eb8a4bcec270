"""Where works come from: one small file per kind of source, in `kinds/`.

A source lists its items: a picture file and the raw record that goes with it. A new kind is a new file
that registers its parameters; docs/sources.md shows one from end to end.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pipeline.catalog.sources.base import FIELDS, Item
from pipeline.catalog.sources.registry import SOURCES, AnySpec
from pipeline.errors import PentimentoError

__all__ = ["FIELDS", "SOURCES", "AnySpec", "Item", "base", "disappeared", "kinds", "list_items"]


def list_items(specs: tuple[AnySpec, ...], root: Path) -> list[Item]:
    """The items of all sources: the sources in the order of the params, their items by id.

    Raises:
        PentimentoError: when a source does not exist, two share a name, or there is no item at all.
    """
    names = Counter(spec.title for spec in specs)
    for name, count in names.items():
        if count > 1:
            raise PentimentoError(
                f"inventory.sources: {count} sources are called '{name}'; give each a `name` of its own"
            )
    items = [item for spec in specs for item in sorted(spec.items(root), key=lambda item: item.id)]
    if not items:
        where = ", ".join(spec.location for spec in specs) or "no source is given"
        raise PentimentoError(f"inventory.sources: the archive is empty ({where}): no picture was found")
    ids = Counter(item.id for item in items)
    doubled = [key for key, count in ids.items() if count > 1]
    if doubled:
        raise PentimentoError(
            f"inventory.sources: {len(doubled)} ids occur twice, the first is '{doubled[0]}'"
        )
    return items
