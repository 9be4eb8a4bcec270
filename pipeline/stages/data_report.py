"""Data report: one self-contained page on the input, what happened to it, and what needs a check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import write_bytes
from pipeline.archive.images import read_rgb
from pipeline.archive.reasons import reason_kind
from pipeline.archive.shards import INDEX
from pipeline.archive.tables import read_table
from pipeline.catalog.checks import profile
from pipeline.catalog.checks.duplicates import with_groups
from pipeline.catalog.location import file_of
from pipeline.catalog.sets import balance
from pipeline.errors import ItemError, PentimentoError
from pipeline.evaluation.report.charts import thumbnail_uri
from pipeline.evaluation.report.data_page import Card, Gallery, render
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage

CHECKED = ("ingest", "clean", "prepare")  # stages that check their tables against a schema
_MAX_MEGAPIXELS = 200  # a file that declares more is not opened for a thumbnail
_LOST = 20  # ids that are written out
_OF_A_KIND = 3  # works in quarantine for the same kind of reason that are shown, at least
_TEXT = 160  # letters of a title or a reason


class Params(StageParams):
    """The pictures on the page."""

    title: str
    pictures: int = Field(ge=0, le=500)
    picture_side: int = Field(ge=16, le=512)


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Count the tables, draw the pictures, and write the page."""
    tables = profile.Tables(
        inventory=read_table(inputs["inventory"]),
        catalog=read_table(inputs["catalog"]),
        works=with_groups(read_table(inputs["works"]), read_table(inputs["groups"])),
        quarantine=read_table(inputs["quarantine"]),
        index=read_table(inputs["prepared"] / INDEX),
        suspects=read_table(inputs["suspects"]),
    )
    broken = {stage: _metrics(inputs[f"{stage} metrics"]).get("broken_rules", {}) for stage in CHECKED}
    numbers = profile.profile(tables, broken, balance.recorded(inputs["prepared"]).method)
    lost = profile.unaccounted(tables)[:_LOST]
    page = render(numbers, _galleries(tables, params, ctx), params.title, lost)
    write_bytes(outputs["report"], page.encode("utf-8", "replace"))
    return numbers


def _metrics(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def _galleries(tables: profile.Tables, params: Params, ctx: Context) -> dict[str, Gallery]:
    """Up to `pictures` works of each part of the page, with their thumbnails."""
    limit, suspects = params.pictures, profile.suspect_works(tables.suspects)
    groups = _within(profile.near_duplicates(tables.works), limit)
    judged = suspects.merge(tables.works, on="id", how="inner", validate="m:1").head(limit)
    aside = _spread(tables.quarantine, limit)
    shown = pd.concat([*groups, judged, aside])
    draw = _Drawer(tables.catalog, shown, params.picture_side, ctx)
    return {
        "duplicates": Gallery(
            [[draw.card(row, _known(row)) for row in _records(group)] for group in groups],
            sum(map(len, profile.near_duplicates(tables.works))) - sum(map(len, groups)),
        ),
        "suspects": Gallery(
            [[draw.card(row, _doubt(row)) for row in _records(judged)]] if len(judged) else [],
            len(suspects) - len(judged),
        ),
        "quarantine": Gallery(
            [[draw.card(row, (str(row["reason"]),)) for row in _records(aside)]] if len(aside) else [],
            len(tables.quarantine) - len(aside),
        ),
    }


class _Drawer:
    """Makes cards of works; each content's thumbnail is drawn only once."""

    def __init__(self, catalog: pd.DataFrame, shown: pd.DataFrame, side: int, ctx: Context) -> None:
        self._sizes = catalog[catalog["id"].isin(shown["id"])].set_index("id")[["width", "height"]]
        files = {
            str(row["sha256"]): (str(row["location"]), str(row["path"]))
            for row in _records(shown)
            if pd.notna(row["sha256"]) and not self._too_large(row)
        }

        def work(place: tuple[str, str]) -> str:
            try:
                return thumbnail_uri(read_rgb(file_of(*place, ctx.root), side), side)
            except (PentimentoError, ValueError) as error:
                raise ItemError(str(error)) from None

        self._uris, self._failures = ctx.map(
            work, files, "data report: thumbnails", depends_on={"side": side}
        )

    def card(self, row: dict[str, Any], lines: tuple[str, ...]) -> Card:
        """The card of a work; one that cannot be shown says why."""
        key = str(row["sha256"])
        absent = self._failures.get(key, "" if self._too_large(row) else "the file could not be read")
        if absent in lines:
            absent = ""
        name = row["id"] if pd.isna(row["path"]) else row["path"]
        return Card(_short(name), self._uris.get(key), absent, tuple(map(_short, lines)))

    def _too_large(self, row: dict[str, Any]) -> bool:
        if row["id"] not in self._sizes.index:
            return False
        width, height = self._sizes.loc[row["id"]]
        return bool(pd.notna(width) and pd.notna(height) and width * height > _MAX_MEGAPIXELS * 1e6)


def _within(groups: list[pd.DataFrame], limit: int) -> list[pd.DataFrame]:
    """The first groups, as long as their works are not more than the limit; a large group is cut."""
    kept: list[pd.DataFrame] = []
    for group in groups:
        room = limit - sum(map(len, kept))
        if room < 2:
            break
        kept.append(group.head(room))
    return kept


def _spread(quarantine: pd.DataFrame, limit: int) -> pd.DataFrame:
    """So many works in quarantine that no kind of reason is hidden behind a common one, by reason."""
    kinds = quarantine["reason"].fillna("").map(reason_kind)
    turns = quarantine.groupby(kinds).cumcount()
    table = quarantine.assign(kind=kinds, turn=turns)
    table = table[turns < max(_OF_A_KIND, limit // max(1, kinds.nunique()))]
    chosen = table.sort_values(["turn", "kind"], kind="stable").head(limit)
    return chosen.sort_values(["kind", "turn"], kind="stable")


def _known(row: dict[str, Any]) -> tuple[str, ...]:
    said = []
    for name in ("title", "artist", "year"):
        if not pd.isna(row.get(name)):
            origin = row.get(f"{name}_origin", profile.RECORDED)
            said.append(f"{row[name]}" if origin == profile.RECORDED else f"{row[name]} (by {origin})")
    return (*said, f"{row['width']} x {row['height']} pixels")


def _doubt(row: dict[str, Any]) -> tuple[str, ...]:
    title = () if pd.isna(row.get("title")) else (str(row["title"]),)
    return (*title, f"given: {row['given']}", f"suggested: {row['suggested']}", f"score {row['score']:.2f}")


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"


STAGE = Stage(
    "data_report",
    Params,
    run,
    inputs={
        "inventory": paths.INVENTORY,
        "catalog": paths.CATALOG,
        "works": paths.WORKS,
        "groups": paths.GROUPS,
        "quarantine": paths.QUARANTINE,
        "suspects": paths.SUSPECTS,
        "prepared": paths.PREPARED,
        **{f"{stage} metrics": paths.metrics(stage) for stage in CHECKED},
    },
    outputs={"report": paths.DATA_REPORT},
)
