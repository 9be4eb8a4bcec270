"""The works in the workspace against those of a git revision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_SEED = 0  # of the permutation tests: the same data give the same answer


def compare(root: Path, against: str, level: float) -> dict[str, Any]:
    """The works in the workspace against those of a revision.

    Returns:
        `works`: how many there were and are; `turnover`: ids of new, gone and changed works; `whole` and
        `arrived`: the comparisons, as tables (see `pipeline/catalog/drift.py`), the second one of what
        arrived with what was there; None when too little arrived; `alarming`: whether any row is;
        `notes`: what could not be compared.

    Raises:
        PentimentoError: when there are no works yet, or the revision's cannot be read.
    """
    from flows.revisions import is_recorded, recorded
    from pipeline import paths
    from pipeline.archive.tables import read_table
    from pipeline.catalog.drift import described, turnover
    from pipeline.catalog.drift import drift as tested
    from pipeline.catalog.twosample import MIN_SIZE
    from pipeline.errors import PentimentoError

    if not (root / paths.WORKS).exists():
        raise PentimentoError(f"there are no works yet ({paths.WORKS}); `pentimento retrain` makes them")
    now, notes = read_table(root / paths.WORKS), []
    with recorded(root, paths.WORKS, against) as handle:
        before = _read(handle, f"{paths.WORKS} at '{against}'")
    changed = turnover(before, now)
    arrived = now[now["id"].isin(changed.arrived)]
    pictures: dict[str, Any] = dict.fromkeys(("before", "now", "arrived"))
    features = root / paths.FEATURES
    if features.exists() and is_recorded(root, paths.FEATURES, against):
        with recorded(root, paths.FEATURES, against) as handle:
            pictures["before"] = described(before, handle)
        pictures |= {"now": described(now, features), "arrived": described(arrived, features)}
    else:
        where = f"at '{against}'" if features.exists() else "here"
        notes.append(f"what the pictures show was not compared: no {paths.FEATURES} {where}")
    whole = tested(before, now, pictures["before"], pictures["now"], seed=_SEED, level=level)
    part: pd.DataFrame | None = None
    if MIN_SIZE <= len(arrived) < len(now):
        part = tested(before, arrived, pictures["before"], pictures["arrived"], seed=_SEED, level=level)
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


def _read(handle: Any, name: str) -> pd.DataFrame:
    import pandas as pd

    from pipeline.errors import PentimentoError

    try:
        return pd.read_parquet(handle)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise PentimentoError(f"{name} cannot be read ({reason}); `dvc fetch` brings it again") from None
