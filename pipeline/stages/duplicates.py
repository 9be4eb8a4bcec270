"""Duplicates: find works that show the same picture, as other scans, crops or frames of it."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from pydantic import Field

from pipeline import paths
from pipeline.archive.packs import Pack, Reduced
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog.checks.duplicates import grouped
from pipeline.catalog.checks.matching import compare
from pipeline.catalog.checks.neighbours import NeighbourGraph, neighbours
from pipeline.catalog.checks.sketches import sketch_file
from pipeline.catalog.features import matrix
from pipeline.catalog.location import PictureFile
from pipeline.meaning import meaning_of
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage


class Params(StageParams):
    """The distance of hashes that makes two works duplicates without a comparison of pictures."""

    distance: int = Field(ge=0, le=16)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Number the groups of near-duplicates: hashes that are almost equal, or pictures that match."""
    works, described = read_table(inputs["works"]), read_table(inputs["features"])
    digests, hashes = works["sha256"].tolist(), works["phash"].tolist()
    whole, middles = (np.nan_to_num(matrix(described, digests, column)) for column in ("features", "centres"))
    kept = ctx.state / f"neighbours/{meaning_of(neighbours)[:16]}.npz"
    found = neighbours(digests, hashes, whole, middles, NeighbourGraph.load(kept))
    found.save(kept)
    pairs = found.pairs()
    same = _compared(works, [(digests[a], digests[b]) for a, b in pairs], ctx)
    groups = grouped(hashes, params.distance, pairs[same])
    write_table(outputs["groups"], pd.DataFrame({"id": works["id"], "group": groups}))
    sizes = pd.Series(groups).value_counts()
    return {
        "compared": len(pairs),
        "same": int(sum(same)),
        "groups": int((sizes > 1).sum()),
        "works_in_groups": int(sizes[sizes > 1].sum()),
    }


def _compared(works: pd.DataFrame, pairs: list[tuple[str, str]], ctx: Context) -> list[bool]:
    """Whether the two pictures of each pair (of SHA-256) show the same; each is sketched only once."""
    files = {
        row.sha256: PictureFile(row.sha256, row.location, row.path, ctx.root) for row in works.itertuples()
    }
    wanted = sorted({digest for pair in pairs for digest in pair})
    with Reduced(ctx.state) as pictures, Pack(ctx.state / paths.PACKS / "sketches.bin") as sketches:

        def flush() -> None:
            pictures.flush()
            sketches.flush()

        places, failures = ctx.map(
            partial(sketch_file, pictures=pictures, sketches=sketches),
            {digest: files[digest] for digest in wanted},
            "duplicates: sketching",
            depends_on={},
            flush=flush,
            valid=sketches.holds,
        )
        # The order of the catalog is not part of the result.
        ordered = [(min(pair), max(pair)) for pair in pairs]
        items = {":".join(pair): pair for pair in ordered if not failures.keys() & set(pair)}
        work = partial(compare, sketches=sketches, places=places)
        same, _ = ctx.map(work, items, "duplicates: comparing", depends_on={})
    return [bool(same.get(":".join(pair))) for pair in ordered]


STAGE = Stage(
    "duplicates",
    Params,
    run,
    inputs={"works": paths.WORKS, "features": paths.FEATURES},
    outputs={"groups": paths.GROUPS},
)
