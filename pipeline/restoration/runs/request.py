"""The request for a run over an archive, and the summary of what it did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.restoration.methods.settings import Settings


@dataclass(frozen=True)
class Request:
    """A run over an archive: its folders, its settings, and which works it covers.

    source, out: the folders of the archive and of the results.
    methods: a methods.json, for fillers that are set to auto.
    masks: folder of masks; None: the run has none.
    include, exclude: glob patterns of relative paths, see scan.scan.
    limit: most works of the run, in order of their paths; None: all.
    """

    source: Path
    out: Path
    settings: Settings
    methods: Path
    masks: Path | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    limit: int | None = None
    prune: bool = False  # whether the run moves results of gone works away


@dataclass
class Summary:
    """The counts of a run; it reports every failed work."""

    works: int = 0
    known: int = 0  # restored by an earlier run, with intact results
    restored: int = 0
    copied: int = 0  # needed no change: byte copies
    failed: int = 0
    left: int = 0  # not processed yet
    gone: int = 0  # works of earlier runs that the source no longer has; their results are kept
    pruned: int = 0  # gone works whose results the run moved away (prune)
    ignored_files: int = 0
    skipped_links: int = 0
    without_mask: int = 0  # works without a mask in the folder of masks
    unused_masks: int = 0  # masks that belong to no work
    fallbacks: int = 0  # works in which a method failed and its fallback took over
    megapixels: float = 0.0  # processed by this run
    seconds: float = 0.0
    megapixels_per_second: float = 0.0
    reasons: list[dict[str, Any]] = field(default_factory=list)  # the most frequent: reason, works, example

    def as_dict(self) -> dict[str, Any]:
        """The fields, as JSON values."""
        return asdict(self)
