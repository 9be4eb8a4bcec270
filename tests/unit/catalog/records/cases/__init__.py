"""Tables of cases: what records write, and what it means.

`dates_drawn.csv` and `artists_drawn.csv` were drawn before any parser was written, and their meaning was
written down by hand. Of each source 70 different strings were drawn by `random.Random(7).sample` from the
sorted distinct ones: of Tate's collection the dates (dateText), 45 artists (all_artists) and 25 more
(artist), of Carnegie Museum of Art's the dates (creation_date), 45 artists (creator_full_name) and 25 more
(creator_cited_name), and of an index of the Art Institute of Chicago's pictures date and artist_raw. Both
open data sets were samples of 5,000 records. No row was corrected since.

The tables `*_written.csv` hold what is rare or difficult, from the same records, those of The Met, and
what other museums are known to write.
"""

from __future__ import annotations

import csv
from pathlib import Path


def cases(name: str) -> list[dict[str, str]]:
    """The rows of a table of cases; a part that is empty means that the text does not say it."""
    with (Path(__file__).parent / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def wrong(name: str, parse: object) -> tuple[list[str], int]:
    """The cases of a table whose meaning `parse` misses, as lines to print, and how many cases there are."""
    rows = cases(name)
    missed = []
    for row in rows:
        meant = [value for part, value in row.items() if part not in ("source", "written")]
        found = parse(row["written"])  # type: ignore[operator]
        said = ["" if part is None else str(part) for part in found or [None] * len(meant)]
        if said != meant:
            missed.append(f"{row['written']!r}: meant {meant}, found {said}")
    return missed, len(rows)
