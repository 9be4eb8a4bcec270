"""Clean a catalog of a million rows: labels normalised, gaps completed; seconds, memory, rows a second.

    python benchmarks/cleaning.py [--rows 1000000] [--distinct 320000] [--seed 0]

The catalog is made in memory, by seed, from the patterns that museums write: `--distinct` different
date strings and as many different artist strings, less the few that become gaps. One process, one core.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from pipeline.catalog.missing import complete
from pipeline.catalog.records.labels import normalise

DATES = (
    "{y}", "c. {y}", "{y}–{s}", "{y}/{s}", "c.{y}–{s}", "{m} {d}, {y}", "{d} {m} {y}", "{y}, printed {z}",
    "{y} (designed) {z} (manufactured)", "c. {y}, reworked {z}", "?{y}", "before {y}", "after {y}",
    "published {y}", "exhibited {y}", "{y} or {z}", "late {c} century–early {e} century, {y}",
    "Edo period (1615–1868), c. {y}–{z}", "{y} BCE–{d} CE", "{y}s, printed {z}", "{n}/{d}/{y}",
    "first half of the {c} century, {m} {y}",
)  # fmt: skip
ARTISTS = (
    "{f} {l}", "{l}, {f}", "{f} {l} ({n}, {b}–{e})", "Attributed to {f} {l} ({n}, {b}–{e})", "After {f} {l}",
    "Workshop of {f} {l} ({n}, c. {b}–{e})", "{l}, {f} {b}-{e}", "{f} {l} ({n}, active c. {b})",
    "Follower of {f} van {l}", "{f} {l}, {g} {l}", "{f} {l} (born {b})", "unknown {n}, {l}",
    "{l} and {g} & Co.",
)  # fmt: skip
NATIONS = (
    "French",
    "Italian",
    "Dutch",
    "Flemish",
    "German",
    "British",
    "American",
    "Japanese",
    "Spanish",
    "",
)
MEDIA = (
    "Oil on canvas", "Oil on panel", "Graphite on paper", "Gelatin silver print", "Etching on paper",
    "Bronze", "Tempera on panel, gold ground", "Watercolour and gouache on paper", "",
)  # fmt: skip
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August")
SYLLABLES = (
    "an",
    "bel",
    "cor",
    "dum",
    "el",
    "fra",
    "gau",
    "hol",
    "in",
    "jor",
    "ka",
    "lor",
    "mon",
    "ne",
    "os",
    "per",
)
REAL_CENTURIES = ("15th", "16th", "17th", "18th", "19th")


def catalog(rows: int, distinct: int, seed: int) -> pd.DataFrame:
    """A catalog of `rows` works with `distinct` different dates and artists, and gaps in every column."""
    rng = np.random.default_rng(seed)
    dates, artists = _strings(_date, distinct, rng), _strings(_artist, distinct, rng)

    def spread(values: list[str], gaps: float) -> pd.Series:
        """Every value once, then at random; a share of the rows has none."""
        codes = np.concatenate([np.arange(len(values)), rng.integers(0, len(values), rows - len(values))])
        rng.shuffle(codes)
        column = pd.Series(np.array(values, dtype=object)[codes], dtype="string")
        return column.mask(rng.random(rows) < gaps)

    return pd.DataFrame(
        {
            "artist": spread(artists, 0.02),
            "artist_bio": spread(["French, Paris 1832–1883 Paris", "born 1930", ""], 0.5),
            "nationality": spread(list(NATIONS), 0.3),
            "culture": spread(["China", "Italian, Rimini", "India (Gujarat)"], 0.9),
            "date": spread(dates, 0.02),
            "year_begin": pd.Series(rng.integers(1400, 2000, rows), dtype="Int64").mask(
                rng.random(rows) < 0.5
            ),
            "year_end": pd.Series([pd.NA] * rows, dtype="Int64"),
            "medium": spread(list(MEDIA), 0.1),
            "tags": [["Men"] if n else [] for n in rng.integers(0, 2, rows)],
        }
    )


def _strings(
    make: Callable[[np.random.Generator], str], distinct: int, rng: np.random.Generator
) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < distinct:
        found[make(rng)] = None
    return list(found)


def _date(rng: np.random.Generator) -> str:
    y, s, z, d, c = (int(n) for n in rng.integers((1000, 1, 1, 1, 0), (1900, 40, 100, 28, 4)))
    pattern = DATES[int(rng.integers(len(DATES)))]
    return pattern.format(
        y=y,
        s=y + s,
        z=y + z,
        d=d,
        n=1 + d % 12,
        m=MONTHS[d % 8],
        c=REAL_CENTURIES[c],
        e=REAL_CENTURIES[c + 1],
    )


def _artist(rng: np.random.Generator) -> str:
    f, last, g = ("".join(SYLLABLES[n] for n in rng.integers(0, 16, 3)).title() for _ in range(3))
    b, age = (int(n) for n in rng.integers((1400, 20), (1930, 90)))
    nation = NATIONS[int(rng.integers(9))]
    return ARTISTS[int(rng.integers(len(ARTISTS)))].format(f=f, l=last, g=g, n=nation, b=b, e=b + age)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--distinct", type=int, default=320_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    table = catalog(given.rows, given.distinct, given.seed)
    print(f"{len(table):,} rows, {table['date'].nunique():,} dates, {table['artist'].nunique():,} artists")
    start, cpu = time.perf_counter(), time.process_time()
    labels = normalise(table)
    between = time.perf_counter()
    done = complete(labels, {"year": "fill:median", "school": "fill:mode"})
    end = time.perf_counter()
    seconds, busy = end - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"normalised in {between - start:.1f} s; year and school completed in {end - between:.1f} s")
    print(f"together {seconds:.1f} s ({busy:.1f} s of one core), {len(table) / seconds:,.0f} rows/s")
    print(f"peak memory, the catalog included: {peak:.2f} GiB")
    filled = done.drop(columns=["tags", "dropped"]).notna().mean().round(3)
    print("share filled:", filled.to_dict())


if __name__ == "__main__":
    main()
