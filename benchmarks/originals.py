"""The pictures that networks learn from and are measured on at another size than that of data/prepared.

The packed pictures there are reduced, and so sharper than what the networks will be shown.
"""

from __future__ import annotations

from pathlib import Path

from pipeline import paths
from pipeline.archive.shards import INDEX
from pipeline.catalog.originals import read_originals, works_of
from pipeline.errors import PentimentoError
from pipeline.recipes.pictures import Picture


def originals(root: Path, split: str, side: int | None = None) -> list[Picture]:
    """The pictures of one split ('train', 'val' or 'test') of the project's archive, (H, W, 3) 8-bit sRGB.

    Those larger than `side` pixels are reduced to it.

    Raises:
        PentimentoError: when the archive has not been prepared, or a file is no longer what it was.
    """
    missing = [path for path in (paths.WORKS, paths.PREPARED / INDEX) if not (root / path).is_file()]
    if missing:
        raise PentimentoError(f"{root / missing[0]} is missing: run `make demo` first, or give --images DIR")
    return list(
        read_originals(works_of(root / paths.WORKS, root / paths.PREPARED / INDEX, split), root, side)
    )
