"""Compare the works in the workspace with earlier ones: those of a git revision or of the last run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_SEED = 0  # of the permutation tests, so that equal data give equal results


def compare(root: Path, against: str, level: float) -> dict[str, Any]:
    """The works in the workspace against those of a revision; see `compare_tables`.

    Raises:
        PentimentoError: when there are no works yet, or the revision's cannot be read.
    """
    from flows.revisions import is_recorded, recorded
    from pipeline import paths
    from pipeline.catalog.checks.drift import described
    from pipeline.errors import PentimentoError

    if not (root / paths.WORKS).exists():
        raise PentimentoError(f"there are no works yet ({paths.WORKS}); `pentimento retrain` makes them")
    with recorded(root, paths.WORKS, against) as handle:
        before = read(handle, f"{paths.WORKS} at '{against}'")
    features = None
    if (root / paths.FEATURES).exists() and is_recorded(root, paths.FEATURES, against):
        with recorded(root, paths.FEATURES, against) as handle:
            features = described(before, handle)
    return compare_tables(root, before, features, f"at '{against}'", level)


def compare_tables(
    root: Path, before: pd.DataFrame, features: Any | None, where: str, level: float
) -> dict[str, Any]:
    """The works in the workspace against a table of earlier ones.

    Args:
        root: folder of the project.
        before: works, as in `data/works.parquet`.
        features: descriptions (N, D) of their pictures, or None.
        where: the origin of the earlier works, for messages.
        level: probability of a false alarm.

    Returns:
        `works`: how many there were and are; `turnover`: ids of new, gone and changed works; `whole` and
        `arrived`: the comparisons, as tables (see `pipeline/catalog/checks/drift.py`), the second one of what
        arrived with what was there; None when too little arrived; `alarming`: whether any row is;
        `notes`: what could not be compared.
    """
    from pipeline import paths
    from pipeline.archive.tables import read_table
    from pipeline.catalog.checks.drift import described, turnover
    from pipeline.catalog.checks.drift import drift as tested
    from pipeline.catalog.checks.twosample import MIN_SIZE

    now, notes = read_table(root / paths.WORKS), []
    changed = turnover(before, now)
    arrived = now[now["id"].isin(changed.arrived)]
    now_features, arrived_features = None, None
    if features is not None and (root / paths.FEATURES).exists():
        now_features = described(now, root / paths.FEATURES)
        arrived_features = described(arrived, root / paths.FEATURES)
    else:
        lacking = where if (root / paths.FEATURES).exists() else "here"
        notes.append(f"what the pictures show was not compared: no {paths.FEATURES} {lacking}")
        features = None
    whole = tested(before, now, features, now_features, seed=_SEED, level=level)
    part: pd.DataFrame | None = None
    if MIN_SIZE <= len(arrived) < len(now):
        part = tested(before, arrived, features, arrived_features, seed=_SEED, level=level)
    elif len(arrived) and len(arrived) < len(now):
        notes.append(f"what arrived was not compared by itself: {len(arrived)} works are too few")
    return {
        "works": {"before": len(before), "now": len(now)},
        "turnover": changed._asdict(),
        "whole": whole,
        "arrived": part,
        "alarming": any(table is not None and bool(table["alarming"].any()) for table in (whole, part)),
        "notes": notes,
    }


def alarms(found: Mapping[str, Any]) -> list[str]:
    """A line for each comparison that alarms, the largest difference first."""
    lines = []
    for name, title in (("whole", "all works"), ("arrived", "what arrived")):
        if found[name] is not None:
            table = found[name][found[name]["alarming"]].sort_values("effect", ascending=False)
            lines += [
                f"{title}: {row.column} moved by {row.effect:.0%} (p {row.p_adjusted:.1g}); {row.detail}"
                for row in table.itertuples()
            ]
    return lines


def read(table: Any, name: str, hint: str = "`dvc fetch` brings it again") -> pd.DataFrame:
    """A table of works from a path or an open file; what is wrong with it is one line, with a hint."""
    import pandas as pd

    from pipeline.errors import PentimentoError

    try:
        return pd.read_parquet(table)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise PentimentoError(f"{name} cannot be read ({reason}); {hint}") from None
