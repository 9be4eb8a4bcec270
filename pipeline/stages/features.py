"""Features: what every picture shows, as numbers, once for all that is asked of it later."""

from __future__ import annotations

import pandas as pd
from pydantic import Field

from pipeline import paths
from pipeline.archive.images import read_rgb
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog import features
from pipeline.catalog.sources import file_of
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage

_SIDE = 384  # pixels a picture is read at; the network squeezes it to fewer


class Params(StageParams):
    """What is described."""

    max_megapixels: float = Field(gt=0)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Describe each picture by its content; one that cannot be read has no row: `clean` says why."""
    catalog = read_table(inputs["catalog"])
    small = (catalog["width"] * catalog["height"] <= params.max_megapixels * 1e6).fillna(False)
    readable = catalog[catalog["problem"].isna() & small.astype(bool)]
    files = {row.sha256: (row.location, row.path) for row in readable.itertuples()}

    def work(place: tuple[str, str]) -> str:
        return features.pack(features.describe([read_rgb(file_of(*place, ctx.root), _SIDE)])[0])

    found, failures = ctx.map(work, files, "features: describing", depends_on={})
    write_table(outputs["features"], pd.DataFrame({"sha256": list(found), "features": list(found.values())}))
    return {"pictures": len(found), "unreadable": len(failures)}


STAGE = Stage(
    "features", Params, run, inputs={"catalog": paths.CATALOG}, outputs={"features": paths.FEATURES}
)
