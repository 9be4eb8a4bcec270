"""Museum records through their ready maps: rows in, kept and quarantined, and what was understood.

    python benchmarks/records.py --source tate=FILE cmoa=FILE aic=FILE [--artists tate=FILE]

A date is understood when it gives years or says that there is none; an artist when it gives a name made of
letters alone (no digits, brackets or "century" left in it), a nationality, or says that there is none. The
shares are of the rows whose cell is not empty.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from pipeline.catalog.records import artists, dates
from pipeline.catalog.records.media import parse_medium
from pipeline.catalog.sources.kinds.table import Reading, TableSpec
from pipeline.errors import PentimentoError

LEAST = 0.98  # of the non-empty dates and artists
EXAMPLES = 8
_LEFT_OVER = re.compile(r"[\d()\[\]|?]|\bcentury\b", re.IGNORECASE)


def date_understood(written: str) -> bool:
    """Whether a written date gives years or says that there is none."""
    return dates.parse_date(written) is not None or dates.says_unknown(written)


def artist_understood(written: str) -> bool:
    """Whether an artist string gives a clean name or a nationality, or says that the maker is unknown."""
    maker = artists.parse_artist(written)
    if maker.name is not None:
        return any(c.isalpha() for c in maker.name) and not _LEFT_OVER.search(maker.name)
    return maker.nationality is not None or artists.says_unknown(written)


def medium_understood(written: str) -> bool:
    """Whether a medium names a known material."""
    return parse_medium(written).material is not None


PARSERS: dict[str, Callable[[str], bool]] = {
    "date": date_understood, "artist": artist_understood, "medium": medium_understood
}  # fmt: skip


def report(name: str, reading: Reading) -> bool:
    """Print what became of a source's rows; whether none was lost and enough was understood."""
    kept, quarantined = len(reading.items), len(reading.rejected)
    lost = reading.rows - kept - quarantined
    print(f"\n{name}: {reading.rows:,} rows in = {kept:,} kept + {quarantined:,} quarantined, {lost} lost")
    print(f"  without a picture: {reading.without_picture:,}")
    removed, mended = reading.control_characters, reading.misread_characters
    print(f"  control characters taken out: {removed}, put right: {mended}")
    for kind, count in reading.kinds.items():
        first = next(row.reason for row in reading.rejected if row.kind == kind)
        print(f"  quarantined, {kind}: {count}, the first: {first}")
    good = lost == 0
    for field, understood in PARSERS.items():
        written = Counter(str(item.fields[field]) for item in reading.items if item.fields.get(field))
        missed = {text: n for text, n in written.items() if not understood(text)}
        total = sum(written.values())
        share = 1 - sum(missed.values()) / total if total else 1.0
        print(f"  {field}: {share:.2%} of {total:,} understood ({len(written):,} different)")
        if missed:
            print("    not:", "; ".join(repr(text) for text in list(missed)[:EXAMPLES]))
        good &= field == "medium" or share >= LEAST
    return good


def main() -> int:
    """Read the sources given, and print what became of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", nargs="+", required=True, metavar="MAP=FILE")
    parser.add_argument("--artists", nargs="*", default=[], metavar="MAP=FILE")
    given = parser.parse_args()
    makers = dict(pair.split("=", 1) for pair in given.artists)
    good = True
    for pair in given.source:
        name, _, file = pair.partition("=")
        start = time.perf_counter()
        table = {
            "kind": "table",
            "name": name,
            "location": file,
            "columns": name,
            "artists": makers.get(name),
        }
        try:
            reading = TableSpec.model_validate(table).read(Path.cwd())
        except (PentimentoError, ValueError) as error:
            print(f"{name}: {error}")
            return 1
        good &= report(name, reading)
        print(f"  {time.perf_counter() - start:.1f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
