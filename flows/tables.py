"""What `pentimento restore` prints at its end: a table for people; JSON is the command's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.progress import duration

Rows = list[tuple[str, str]]


def summary_rows(summary: Mapping[str, Any]) -> Rows:
    """The rows of a finished run's table; rows of what did not occur are left out."""
    speed = summary["megapixels_per_second"]
    rows = [
        ("works", f"{summary['works']:,}"),
        ("restored", f"{summary['restored']:,}"),
        ("copied, since nothing was damaged", f"{summary['copied']:,}"),
        ("done by an earlier run", f"{summary['known']:,}"),
        ("failed", f"{summary['failed']:,}"),
        *_reasons(summary),
        *_if_any(summary, {"left": "not reached", "fallbacks": "restored with a method that stood in"}),
        *_found(summary),
    ]
    if summary["pruned"]:
        rows.append(("put aside in .pentimento/removed", f"{summary['pruned']:,}"))
    done = f"{summary['megapixels']:,.1f} MP in {duration(summary['seconds'])}"
    return [*rows, ("this run", f"{done}, {speed:,.2f} MP/s")]


def preview_rows(seen: Mapping[str, Any]) -> Rows:
    """The rows of a dry run's table."""
    return [
        ("works", f"{seen['works']:,}"),
        ("done by an earlier run", f"{seen['known']:,}"),
        ("to do", f"{seen['to_do']:,}"),
        ("their pixels", f"{seen['megapixels']:,.1f} MP"),
        ("their files", _bytes(seen["bytes"])),
        ("time, roughly", duration(seen["rough_seconds"])),
        ("which is judged by", seen["based_on"]),
        ("cannot be restored", f"{seen['failed']:,}"),
        *_reasons(seen),
        *_found(seen),
    ]


def print_rows(title: str, rows: Rows) -> None:
    """Print a table of two columns."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console, table = Console(), Table(show_header=False)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    console.print(table)


def _found(values: Mapping[str, Any]) -> Rows:
    names = {
        "gone": "gone from the source",
        "without_mask": "works without a mask",
        "unused_masks": "masks of no work",
        "ignored_files": "files that are no images",
        "skipped_links": "links to folders, not followed",
    }
    return _if_any(values, names)


def _if_any(values: Mapping[str, Any], names: Mapping[str, str]) -> Rows:
    return [(label, f"{values[name]:,}") for name, label in names.items() if values[name]]


def _reasons(values: Mapping[str, Any]) -> Rows:
    return [(f"  {row['works']:,} of them", f"{row['reason']}\n(such as {row['example']})")
            for row in values["reasons"]]  # fmt: skip


def _bytes(count: int) -> str:
    size, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:,.1f} {units[0]}" if units[0] != "B" else f"{count} B"
