"""The request for a run over an archive, and the summary of what it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.restoration.methods.settings import Settings


@dataclass(frozen=True)
class Request:
    """What is asked for: an archive, where its restoration goes, and how."""

    source: Path
    out: Path
    settings: Settings
    methods: Path
    masks: Path | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = None
    prune: bool = False  # whether results of works that are gone from the source are put aside


@dataclass
class Summary:
    """What a run found and did; `failed` is never silent."""

    works: int = 0
    known: int = 0  # done by an earlier run, and still there
    restored: int = 0
    copied: int = 0  # needed nothing: byte copies
    failed: int = 0
    left: int = 0  # not reached
    gone: int = 0  # works of earlier runs that the source has no longer; their results are kept
    pruned: int = 0  # of these: results put aside, because that was asked for
    ignored_files: int = 0
    skipped_links: int = 0
    without_mask: int = 0  # works for which the folder of masks has none
    unused_masks: int = 0  # masks of no work
    fallbacks: int = 0  # works in which a method failed and the classical one took over
    megapixels: float = 0.0  # done by this run
    seconds: float = 0.0
    megapixels_per_second: float = 0.0
    reasons: list[dict[str, Any]] = field(default_factory=list)  # the commonest: reason, works, example

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
