"""What `pentimento impute-report` reads and prints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import paths
from pipeline.errors import PentimentoError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from pipeline.catalog.missing.impute_report import Hiding

NO_GROUP = "none"
_HEADS = {
    "accuracy": "accuracy", "macro_f1": "macro-F1", "mae": "mean error", "within": "near enough",
    "baseline": "baseline", "gain": "gain", "coverage": "filled", "confidence": "sure",
}  # fmt: skip
_COMMA = re.compile(r",(?![^{\[]*[}\]])")  # not within a mapping or a list
_OF_RECORDS = ("title", "medium", "classification", "culture", "tags")  # words that `nearest:record` reads


@dataclass(frozen=True)
class Ready:
    """A table to compare methods on, the names of its columns to complete, and its pictures' features."""

    works: pd.DataFrame
    columns: list[str]
    group: str | None
    features: NDArray[np.float32] | None


def read(
    root: Path | None,
    table: Path | None,
    columns: str,
    predictors: str | None,
    group: str | None,
    features: Path | None,
    *,
    pictures: bool,
) -> Ready:
    """The table as the command's options name it; without one, the project's works.

    With `pictures`, their features are read from the file, or from the project's data.
    """
    from pipeline.catalog.missing import impute_table

    if table is None and root is None:
        raise PentimentoError("no table is given, and there is no project here")
    works = impute_table.load(table or (root or Path()) / paths.WORKS)
    asked = impute_table.parse_columns(columns)
    others = impute_table.parse_columns(predictors) if predictors else []
    if twice := {one.name for one in asked} & {one.name for one in others}:
        raise PentimentoError(
            f"'{min(twice)}' is in --columns and in --predictors; columns to complete already "
            "predict each other"
        )
    taken = impute_table.take(works, [*asked, *others])
    together = None if group == NO_GROUP else group or ("artist" if "artist" in works else None)
    if together and together not in taken and together in works:
        taken[together] = works[together]  # it was read under another name
    if together and together not in taken:
        raise PentimentoError(f"there is no column '{together}' to group by")
    if predictors:
        kept = {one.name for one in [*asked, *others]} | {together, *_OF_RECORDS}
        taken = taken[[name for name in taken.columns if name in kept or _marks(name, kept)]]
    vectors = _features(root if table is None else None, works, features) if pictures else None
    return Ready(taken, [one.name for one in asked], together, vectors)


def parse_methods(written: str, order: str | None) -> list[Any]:
    """The methods of the option: names and mappings with commas between them, as YAML writes a list."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    from pipeline.catalog.missing import parse
    from pipeline.catalog.missing.impute_report import all_methods

    if written.strip() == "all":
        return all_methods(order)
    try:
        listed = [YAML(typ="safe").load(one) for one in _COMMA.split(written) if one.strip()]
    except YAMLError:
        raise PentimentoError(f"--methods '{written}' is not a list of names and mappings") from None
    for method in listed:
        parse(method)
    return listed


def look_at_pictures(methods: Sequence[Any]) -> bool:
    """Whether one of the methods needs the pictures' features."""
    from pipeline.catalog.missing import parse

    return any("picture" in parse(method).name.split(":") for method in methods)


def best_of(report: Mapping[str, Any], methods: Sequence[Any]) -> Any:
    """The best method of a column as params.yaml writes it."""
    from pipeline.catalog.missing import parse, shortest
    from pipeline.catalog.missing.registry import label

    specs = {label(spec): spec for spec in map(parse, [report["baseline"], *methods])}
    return shortest(specs[report["best"]])


def require_params(file: Path, columns: str) -> None:
    """Refuse columns that params.yaml has no method for, before anything is computed."""
    from pipeline.catalog.missing.impute_table import parse_columns

    write_methods(file, {one.name: "leave" for one in parse_columns(columns)}, dry_run=True)


def write_methods(file: Path, methods: Mapping[str, Any], *, dry_run: bool) -> list[tuple[str, Any, Any]]:
    """Write the methods of columns into `clean.missing` of params.yaml, and return what changes."""
    from flows.params_file import set_values

    values = {f"clean.missing.{column}": method for column, method in methods.items()}
    return set_values(file, values, dry_run=dry_run)


def note(hiding: Hiding) -> str:
    """How values were hidden, in a sentence."""
    how = f"a share of {hiding.share:g} once" if hiding.share else f"one of {hiding.folds} parts at a time"
    with_it = f", all of one '{hiding.group}' together" if hiding.group else ""
    return f"Known values were hidden, {how}{with_it} (seed {hiding.seed}), and completed by each method."


def print_tables(reports: Sequence[Mapping[str, Any]]) -> None:
    """A table for each column, the best method in bold."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from pipeline.catalog.missing.impute_plot import summary

    console = Console()
    for report in reports:
        figures = ("accuracy", "macro_f1") if report["kind"] == "name" else ("mae", "within")
        heads = [_HEADS[name] for name in (*figures, "baseline", "gain", "coverage", "confidence")]
        columns = [Column(head, justify="right", overflow="fold") for head in heads]
        table = Table(Column("method", no_wrap=True), *columns, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for row in report["methods"]:
            cells = [_interval(row[name]) for name in (*figures, "baseline", "gain")]
            said = "–" if row["confidence"] is None else f"{row['confidence']:.2f}"
            style = "bold" if row["method"] == report["best"] else ""
            cells = [row["method"], *cells, f"{row['coverage']:.0%}", said]
            table.add_row(*(Text(cell, style) for cell in cells))
        console.print(Text(f"{report['column']}: {summary(report)}"))
        console.print(table)
        if report["unsuited"]:
            listed = ", ".join(one["method"] for one in report["unsuited"])
            console.print(Text(f"do not apply: {listed}\n", "dim"))


def _features(root: Path | None, works: pd.DataFrame, file: Path | None) -> NDArray[np.float32] | None:
    """Descriptions of the pictures: from the file, else from the project's, else None."""
    import numpy as np

    if file is not None:
        try:
            vectors = np.load(file)
        except (OSError, ValueError):
            raise PentimentoError(f"{file} is not an array in a .npy file") from None
        if vectors.ndim != 2 or len(vectors) != len(works):
            raise PentimentoError(f"{file} has the shape {vectors.shape}; it must have a row for each of "
                                  f"{len(works)} rows of the table")  # fmt: skip
        return np.asarray(vectors, np.float32)
    if root is None or not (root / paths.FEATURES).is_file() or "sha256" not in works:
        return None
    from pipeline.archive.tables import read_table
    from pipeline.catalog.features import matrix

    return matrix(read_table(root / paths.FEATURES), works["sha256"])


def _marks(name: str, kept: set[Any]) -> bool:
    return name.rpartition("_")[0] in kept and name.endswith(("_origin", "_confidence"))


def _interval(one: Mapping[str, float] | None) -> str:
    if one is None:
        return "–"
    digits = 3 if max(abs(value) for value in one.values()) < 10 else 1
    return f"{one['value']:.{digits}f} [{one['low']:.{digits}f}, {one['high']:.{digits}f}]"
