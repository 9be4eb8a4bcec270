"""Drift: tests whether today's works differ from earlier ones, column by column and by their pictures.

A column alarms when its difference is both significant and large. With many works every difference is
significant, with few every difference is large. P-values are corrected over all columns (Holm 1979).

Two tables usually share most of their works. The tests treat them as independent samples, so they alarm
too rarely, never too often.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.catalog.checks import twosample
from pipeline.catalog.checks.twosample import Floats, Result, Rng
from pipeline.catalog.features import FEATURES, unpack

LEVEL = 0.05  # chance that any column alarms although nothing differs
LEAST_EFFECT = {  # smallest effect that alarms
    "number": 0.1, "classes": 0.1, "tags": 0.1, "gaps": 0.1,  # shares of the works
    "pictures": 0.05,  # a quarter of a European collection replaced by Asian paintings
}  # fmt: skip
MAX_PICTURES = 800  # pictures of either side that are compared; more are sampled

_NAMES = frozenset(
    ("id", "location", "path", "sha256", "phash", "group", "record")
)  # identify works; not compared
_FEW = 12  # a column with at most this many distinct numbers is compared as classes (bits, pages)
_MISSING = "(missing)"
_UNHASHABLE = (list, dict, set, np.ndarray)
_NUMBERS = ("effect", "psi", "shift", "p")


class Turnover(NamedTuple):
    """Sorted ids of works: new, gone, with a changed picture, and with a changed value in a shared column."""

    new: tuple[str, ...]
    gone: tuple[str, ...]
    pictures: tuple[str, ...]
    records: tuple[str, ...]

    @property
    def arrived(self) -> tuple[str, ...]:
        """Works with a picture that the earlier table does not have."""
        return tuple(sorted((*self.new, *self.pictures)))


def turnover(before: pd.DataFrame, now: pd.DataFrame) -> Turnover:
    """Works that are new, gone or changed between two tables, each with unique `id` and with `sha256`."""
    there = pd.Index(before["id"]).get_indexer(pd.Index(now["id"]))
    old, new = there[there >= 0], np.flatnonzero(there >= 0)
    pictures = _differs(before["sha256"].iloc[old], now["sha256"].iloc[new])
    records = np.zeros(len(new), bool)
    for name in now.columns.intersection(before.columns).difference([*_NAMES, "size"]):
        records |= _differs(before[name].iloc[old], now[name].iloc[new])
    both = now["id"].iloc[new]
    return Turnover(
        new=_ids(now["id"][there < 0]),
        gone=_ids(before["id"].drop(index=before.index[old])),
        pictures=_ids(both[pictures]),
        records=_ids(both[records & ~pictures]),
    )


def drift(
    before: pd.DataFrame,
    now: pd.DataFrame,
    features_before: NDArray[np.float32] | None = None,
    features_now: NDArray[np.float32] | None = None,
    *,
    seed: int,
    level: float = LEVEL,
) -> pd.DataFrame:
    """Compare two tables of works, column by column, and their pictures.

    Args:
        before, now: one row per work, with any columns. Columns that only identify works are left out.
        features_before, features_now: (N, D) and (M, D) features of pictures of any works of either side.
        seed: of the permutation tests and of the sample of pictures.
        level: the chance that any row alarms although nothing differs.

    Returns:
        A row for each comparison, in the order of `now`'s columns:
        `column`; `kind`: number, classes, tags, gaps (of a column of numbers), pictures, or column (it is
        in one table only); `before`, `now`: how many values were compared; `effect`, `psi`, `shift`, `p`,
        `detail`: see `twosample`; `p_adjusted`: after Holm; `alarming`: p_adjusted is below `level` and
        effect at least LEAST_EFFECT. A number that does not apply is NaN.
    """
    rows = [row for name in now.columns if name in before for row in _column(before[name], now[name], seed)]
    for there, names in (
        ("now", now.columns.difference(before.columns)),
        ("before", before.columns.difference(now.columns)),
    ):
        rows += [_row(name, "column", (0, 0), {"detail": f"there only {there}"}) for name in names]
    if features_before is not None and features_now is not None:
        rows.append(_pictures(features_before, features_now, seed))
    table = pd.DataFrame(rows, columns=["column", "kind", "before", "now", *_NUMBERS, "detail"])
    table[list(_NUMBERS)] = table[list(_NUMBERS)].astype(float)
    table.insert(8, "p_adjusted", holm(table["p"].to_numpy(float)))
    least = table["kind"].map(LEAST_EFFECT)
    table.insert(9, "alarming", (table["p_adjusted"] < level) & (table["effect"] >= least))
    return table


def described(works: pd.DataFrame, features: Path | BinaryIO) -> NDArray[np.float32]:
    """Features of the works' pictures, up to MAX_PICTURES of them, read from a table of features.

    The works with the smallest SHA-256 are taken: a random sample, but the same one in tables that share
    works.

    Args:
        works: with `sha256`.
        features: Parquet with `sha256` and `features`, as `features.pack` wrote them.

    Returns:
        Array of shape (N, 1280).
    """
    there = pd.read_parquet(features, columns=["sha256"])["sha256"]
    chosen = sorted(set(works["sha256"].dropna()).intersection(there))[:MAX_PICTURES]
    if not chosen:
        return np.empty((0, FEATURES), np.float32)
    table = pd.read_parquet(features, filters=[("sha256", "in", chosen)])
    packed = table.drop_duplicates("sha256").set_index("sha256")["features"]
    return np.stack([unpack(packed[key]) for key in chosen])


def holm(chances: Floats) -> Floats:
    """P-values (N,) corrected for multiple tests (Holm's step-down method); NaN is not counted."""
    adjusted = np.full(len(chances), np.nan)
    known = np.flatnonzero(np.isfinite(chances))
    order = known[np.argsort(chances[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(np.minimum(chances[order] * factors, 1.0))
    return adjusted


def _column(before: pd.Series[Any], now: pd.Series[Any], seed: int) -> list[Result]:
    """The comparison of a column, and of its gaps if it holds numbers."""
    name, sizes = str(now.name), (len(before), len(now))
    if name in _NAMES:
        return []
    rng, kind = _rng(seed, name), _kind(before, now)
    if kind == "tags":
        counts = [_tag_counts(column) for column in (before, now)]
        return [_row(name, kind, sizes, twosample.tags(counts[0], counts[1], sizes))]
    if kind == "classes":
        return [_row(name, kind, sizes, twosample.classes(_counts(before), _counts(now), rng))]
    known = [column.dropna().to_numpy(np.float64) for column in (before, now)]
    rows = [_row(name, kind, (len(known[0]), len(known[1])), twosample.numbers(*known))]
    if sum(sizes) > len(known[0]) + len(known[1]):
        gaps = [_counts(column.isna().map({True: _MISSING, False: "known"})) for column in (before, now)]
        rows.append(_row(name, "gaps", sizes, twosample.classes(gaps[0], gaps[1], rng)))
    return rows


def _kind(before: pd.Series[Any], now: pd.Series[Any]) -> str:
    """How two columns are compared: as numbers or tags if both hold these, else as classes."""
    known = [column.dropna() for column in (before, now)]
    if all(_holds_lists(side) for side in known):
        return "tags"
    if any(pd.api.types.is_bool_dtype(side) or not pd.api.types.is_numeric_dtype(side) for side in known):
        return "classes"
    return "number" if pd.concat([side.astype(float) for side in known]).nunique() > _FEW else "classes"


def _pictures(left: NDArray[np.float32], right: NDArray[np.float32], seed: int) -> Result:
    rng = _rng(seed, "pictures")
    chosen = [
        side[np.sort(rng.permutation(len(side))[:MAX_PICTURES])] if len(side) > MAX_PICTURES else side
        for side in (left, right)
    ]
    sizes = len(chosen[0]), len(chosen[1])
    return _row("pictures", "pictures", sizes, twosample.vectors(chosen[0], chosen[1], rng))


def _row(name: Any, kind: str, sizes: tuple[int, int], result: Result) -> Result:
    unknown = dict.fromkeys(_NUMBERS, np.nan)
    return {"column": str(name), "kind": kind, "before": sizes[0], "now": sizes[1]} | unknown | result


def _counts(column: pd.Series[Any]) -> pd.Series[Any]:
    """Count of each value, as text; missing values are a class, too."""
    plain = column if _is_hashable(column) else column.astype(str)
    counts = plain.value_counts(dropna=False)
    counts.index = pd.Index([_word(value) for value in counts.index], dtype=object)
    return counts if counts.index.is_unique else counts.groupby(level=0).sum()


def _tag_counts(column: pd.Series[Any]) -> pd.Series[Any]:
    """Number of works with each tag."""
    tags = column.reset_index(drop=True).explode().dropna().astype(str)
    return pd.DataFrame({"work": tags.index, "tag": tags.to_numpy()}).drop_duplicates()["tag"].value_counts()


def _word(value: Any) -> str:
    if pd.isna(value):
        return _MISSING
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _holds_lists(known: pd.Series[Any]) -> bool:
    return known.dtype == object and all(isinstance(value, list | np.ndarray) for value in known)


def _is_hashable(column: pd.Series[Any]) -> bool:
    return column.dtype != object or not any(isinstance(value, _UNHASHABLE) for value in column)


def _differs(left: pd.Series[Any], right: pd.Series[Any]) -> NDArray[np.bool_]:
    """Where two columns of the same works differ; two missing values are equal."""
    sides = [
        side if _is_hashable(side) else side.map(lambda value: str(list(value)), na_action="ignore")
        for side in (left.reset_index(drop=True), right.reset_index(drop=True))
    ]
    if sides[0].dtype != sides[1].dtype:
        sides = [side.astype(object).map(_word) for side in sides]
    gaps = sides[0].isna() & sides[1].isna()
    return np.asarray((sides[0] != sides[1]).fillna(True).to_numpy(bool) & ~gaps.to_numpy(bool))


def _ids(ids: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted(str(one) for one in ids))


def _rng(seed: int, name: str) -> Rng:
    """A generator for each column, so that an added column does not change the others' results."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
