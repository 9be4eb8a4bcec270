"""Features: what every picture shows, as numbers, once for all that is asked of it later."""

from __future__ import annotations

import pandas as pd

from pipeline import paths
from pipeline.archive.packs import Reduced
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog import features
from pipeline.catalog.checks.duplicates import centre
from pipeline.catalog.location import file_of
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage


class Params(StageParams):
    """Nothing can be chosen."""


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Describe each picture, and its middle alone; one that cannot be read has no row: `ingest` says why."""
    catalog = read_table(inputs["catalog"])
    readable = catalog[catalog["problem"].isna()]
    files = {row.sha256: (row.sha256, row.location, row.path) for row in readable.itertuples()}

    with Reduced(ctx.state) as pictures:

        def work(row: tuple[str, str, str]) -> list[str]:
            sha256, location, path = row
            picture = pictures.read(sha256, lambda: file_of(location, path, ctx.root))
            return [features.pack(row) for row in features.describe([picture, centre(picture)])]

        found, failures = ctx.map(work, files, "features: describing", depends_on={}, settle=pictures.settle)
    table = pd.DataFrame(list(found.values()), columns=["features", "centres"], dtype="str")
    table.insert(0, "sha256", list(found))
    write_table(outputs["features"], table)
    return {"pictures": len(found), "unreadable": len(failures)}


STAGE = Stage(
    "features", Params, run, inputs={"catalog": paths.CATALOG}, outputs={"features": paths.FEATURES}
)
