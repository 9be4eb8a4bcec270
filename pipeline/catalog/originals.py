"""The original pictures of works in the catalog; data/prepared holds reduced ones.

Networks that detect or fill damage are trained on originals, because a restoration works on originals.
Reduced pictures are sharper, and a network trained on them performs worse.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.archive.fixity import file_sha256
from pipeline.archive.images import read_rgb
from pipeline.archive.tables import read_table
from pipeline.catalog.location import file_of
from pipeline.errors import ItemError, PentimentoError

_MEND = "put it back, or run `pentimento sync` and then `dvc repro`"


def works_of(works: Path, index: Path, split: str) -> pd.DataFrame:
    """The works of one split ('train', 'val' or 'test'): id, location, path and sha256, in their order.

    Args:
        works: the table of all works (data/works.parquet).
        index: the table that says which split a work is in (data/prepared/index.parquet).
        split: the split's name.
    """
    places = read_table(works)[["id", "location", "path", "sha256"]]
    splits = read_table(index)[["id", "split"]]
    chosen = splits.loc[splits["split"] == split, "id"]
    return places[places["id"].isin(chosen)].reset_index(drop=True)


def read_originals(works: pd.DataFrame, root: Path, side: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures of works one at a time, (H, W, 3) 8-bit sRGB, upright.

    Args:
        works: as `works_of` gives them.
        root: the project, which relative locations are relative to.
        side: pixels of the longer side to which larger pictures are reduced; None: pictures are not reduced.

    Raises:
        PentimentoError: when a file is missing, altered or not readable.
    """
    for work in works.itertuples():
        try:
            file = file_of(str(work.location), str(work.path), root)
            if file_sha256(file) != work.sha256:
                raise ItemError("is another file than the one that the catalog knows")
            yield read_rgb(file, side)
        except FileNotFoundError:
            raise PentimentoError(f"{work.id}: its file is gone ({work.path}); {_MEND}") from None
        except ItemError as error:
            raise PentimentoError(f"{work.id}: {work.path}: {error}; {_MEND}") from None
