"""Ingest: inventory to catalog, one row per picture with the properties of its file and its record.

This stage reads every file once: its header and all its pixels. The reduced picture stays in the state
folder for later stages.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pandas as pd
from pydantic import Field

from pipeline import paths
from pipeline.archive.images import ImageInfo
from pipeline.archive.packs import Reduced
from pipeline.archive.tables import read_table, write_table
from pipeline.catalog.checks.schemas import OnViolation, validate
from pipeline.catalog.location import NO_PICTURE, PictureFile
from pipeline.catalog.reading import read_file
from pipeline.catalog.sources.base import FIELDS
from pipeline.errors import PentimentoError
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage

_FILE_COLUMNS = tuple(ImageInfo.__dataclass_fields__)


class Params(StageParams):
    """Limits for decoding and for unreadable files, and the reaction to a broken rule."""

    max_megapixels: float = Field(gt=0)
    max_failure_ratio: float = Field(ge=0, le=1)
    on_violation: OnViolation


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Read every file once; the row of a file that cannot be read to its end has the reason in `problem`."""
    inventory = read_table(inputs["inventory"])
    readable = inventory[inventory["problem"].isna()]
    files = {
        row.sha256: PictureFile(row.sha256, row.location, row.path, ctx.root) for row in readable.itertuples()
    }
    with Reduced(ctx.state) as pictures:
        infos, failures = ctx.map(
            partial(read_file, pictures=pictures, max_megapixels=params.max_megapixels),
            files,
            "ingest: reading files",
            depends_on={"max_megapixels": params.max_megapixels},
            flush=pictures.flush,
        )
    catalog = _catalog(inventory, infos, failures)
    # A record without a picture is no failure: there is no file to be unreadable.
    pictured = catalog[catalog["problem"].fillna("") != NO_PICTURE]
    failed = int(pictured["problem"].notna().sum())
    if failed > params.max_failure_ratio * len(pictured):
        first = pictured[pictured["problem"].notna()].iloc[0]
        raise PentimentoError(
            f"ingest: {failed} of {len(pictured)} files cannot be read, more than "
            f"ingest.max_failure_ratio allows; the first: {first['path']}: {first['problem']}"
        )
    broken = validate(catalog, "catalog", params.on_violation, ctx.log)
    write_table(outputs["catalog"], catalog)
    return {
        "works": len(catalog),
        "unreadable": failed,
        "without_picture": len(catalog) - len(pictured),
        "broken_rules": broken,
        "formats": _counts(catalog["format"]),
        "modes": _counts(catalog["mode"]),
        "missing": {name: int(catalog[name].isna().sum()) for name in FIELDS if name != "tags"}
        | {"tags": int((catalog["tags"].str.len() == 0).sum())},
    }


def _catalog(inventory: pd.DataFrame, infos: dict[str, Any], failures: dict[str, str]) -> pd.DataFrame:
    rows = []
    for row in inventory.to_dict("records"):
        info = infos.get(row["sha256"], {})
        fields = json.loads(row.pop("fields"))
        record = row.pop("record")
        if pd.isna(row["problem"]):
            row["problem"] = failures.get(row["sha256"], info.get("problem"))
        row |= {name: info.get(name) for name in (*_FILE_COLUMNS, "phash")}
        row |= {name: fields.get(name) for name in FIELDS}
        rows.append(row | {"tags": fields.get("tags") or [], "record": record})
    catalog = pd.DataFrame(rows)
    whole = ["width", "height", "bit_depth", "pages", "orientation", "year_begin", "year_end"]
    written = [name for name in FIELDS if name not in ("tags", "year_begin", "year_end")]
    types = dict.fromkeys(whole, "Int64") | {"icc": "boolean"}
    types |= dict.fromkeys([*written, "problem", "format", "mode", "phash", "sha256"], "string")
    return catalog.astype(types)


def _counts(column: pd.Series[Any]) -> dict[str, int]:
    counts = column.value_counts()
    return {str(name): int(counts[name]) for name in sorted(counts.index)}


STAGE = Stage(
    "ingest", Params, run, inputs={"inventory": paths.INVENTORY}, outputs={"catalog": paths.CATALOG}
)
