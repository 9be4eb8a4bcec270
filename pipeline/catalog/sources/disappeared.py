"""What the sources once held and hold no more: remembered in the state folder, with its record.

An inventory says what is there now. What is gone depends on the past, so it is no output of a stage and
no metric: the same sources give the same outputs, whatever was there before.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pipeline import paths
from pipeline.archive.tables import read_table, write_table
from pipeline.errors import PentimentoError


def note_disappeared(state: Path, inventory: pd.DataFrame, sources: Iterable[str], now: str) -> pd.DataFrame:
    """Remember the inventory, and mark what was in an earlier one and is not in this.

    One file is replaced as a whole, so a run that was killed has noted all or nothing. A work that is back
    is no longer gone. Works of sources that are not asked (other parameters) stay as they are.

    Args:
        state: the state folder.
        inventory: as the stage writes it, with id, source and sha256.
        sources: names of the sources that were looked at, also those that hold nothing.
        now: when, as it is to be written.

    Returns:
        The rows that are gone since the last time, with the columns of the inventory, `gone_since`, and
        `moved_to`: the id under which the same file is there now, if it is.
    """
    before = _known(state)
    if before is None:
        before = inventory.iloc[:0].assign(gone_since=None, moved_to=None)
    missing = before[~before["id"].isin(inventory["id"])]
    judged = missing["source"].isin(list(sources))
    fresh = judged & missing["gone_since"].isna()
    present = inventory.dropna(subset="sha256").drop_duplicates("sha256").set_index("sha256")["id"]
    missing = missing.assign(
        gone_since=missing["gone_since"].where(~fresh, now),
        moved_to=missing["sha256"].map(present).where(judged, missing["moved_to"]),
    )
    there = inventory.assign(gone_since=None, moved_to=None)
    table = pd.concat(
        [one.astype({"gone_since": "string", "moved_to": "string"}) for one in (there, missing)]
    )
    write_table(state / paths.KNOWN, table)
    return missing[fresh].reset_index(drop=True)


def disappeared(state: Path) -> pd.DataFrame:
    """All works that are gone, as `note_disappeared` returns them; none when nothing was noted yet."""
    known = _known(state)
    if known is None:
        return pd.DataFrame(columns=["id", "source", "gone_since", "moved_to"])
    return known[known["gone_since"].notna()].reset_index(drop=True)


def _known(state: Path) -> pd.DataFrame | None:
    file = state / paths.KNOWN
    if not file.exists():
        return None
    try:
        return read_table(file)
    except PentimentoError:
        raise PentimentoError(
            f"{file} cannot be read; move it away: what is gone from the sources is then noted afresh"
        ) from None
