"""Features: what every picture shows, as numbers, once for all that is asked of it later."""

from __future__ import annotations

import pandas as pd
from pydantic import Field

from pipeline import paths
from pipeline.archive.images import read_rgb
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog import features
from pipeline.catalog.duplicates import centre
from pipeline.catalog.sources import file_of
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage

_SIDE = 384  # pixels a picture is read at; the network squeezes it to fewer


class Params(StageParams):
    """What is described."""

    max_megapixels: float = Field(gt=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Describe each picture, and its middle alone; one that cannot be read has no row: `clean` says why."""
    catalog = read_table(inputs["catalog"])
    small = (catalog["width"] * catalog["height"] <= params.max_megapixels * 1e6).fillna(False)
    readable = catalog[catalog["problem"].isna() & small.astype(bool)]
    files = {row.sha256: (row.location, row.path) for row in readable.itertuples()}

    def work(place: tuple[str, str]) -> list[str]:
        picture = read_rgb(file_of(*place, ctx.root), _SIDE)
        return [features.pack(row) for row in features.describe([picture, centre(picture)])]

    found, failures = ctx.map(work, files, "features: describing", depends_on={})
    table = pd.DataFrame(list(found.values()), columns=["features", "centres"], dtype="str")
    table.insert(0, "sha256", list(found))
    write_table(outputs["features"], table)
    return {"pictures": len(found), "unreadable": len(failures)}


STAGE = Stage(
    "features", Params, run, inputs={"catalog": paths.CATALOG}, outputs={"features": paths.FEATURES}
)
