"""Features: describe every picture by numbers, once for all later stages."""

from __future__ import annotations

from functools import partial

import pandas as pd

from pipeline import paths
from pipeline.archive.packs import Reduced
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog.describing import describe_file
from pipeline.catalog.location import PictureFile
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage


class Params(StageParams):
    """No parameters."""


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Describe each picture and its middle. An unreadable picture has no row; `ingest` says why."""
    catalog = read_table(inputs["catalog"])
    readable = catalog[catalog["problem"].isna()]
    files = {
        row.sha256: PictureFile(row.sha256, row.location, row.path, ctx.root) for row in readable.itertuples()
    }
    with Reduced(ctx.state) as pictures:
        found, failures = ctx.map(
            partial(describe_file, pictures=pictures),
            files,
            "features: describing",
            depends_on={},
            flush=pictures.flush,
        )
    table = pd.DataFrame(list(found.values()), columns=["features", "centres"], dtype="str")
    table.insert(0, "sha256", list(found))
    write_table(outputs["features"], table)
    return {"pictures": len(found), "unreadable": len(failures)}


STAGE = Stage(
    "features", Params, run, inputs={"catalog": paths.CATALOG}, outputs={"features": paths.FEATURES}
)
