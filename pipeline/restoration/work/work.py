"""One work of an archive, and where its result goes."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline import paths


@dataclass(frozen=True)
class Work:
    """One work: where it lies, what it is called, and its mask file, if there is one.

    path: relative to the archive, encoded (see runs.names): what sidecars and journals call it.
    shortened: its name in the output tree, where `path` is too long for a file system; else None.
    """

    source: Path
    path: str
    mask: Path | None = None
    shortened: str | None = None

    @property
    def name(self) -> str:
        """The work's name in the output tree, without what a new format adds."""
        return self.shortened or self.path


@dataclass(frozen=True)
class Tree:
    """Where the results of a run go."""

    works: Path
    proof: Path
    partial: Path  # files in the making, on the same file system

    @classmethod
    def at(cls, out: Path) -> Tree:
        """The output tree of an archive restored to `out`."""
        return cls(out / paths.OUTPUT_WORKS, out / paths.OUTPUT_PROOF, out / paths.OUTPUT_STATE / "partial")


def temporary_path(target: Path, partial: Path) -> Path:
    """Where a file is made before it is moved to `target`: in the folder `partial`, which is made."""
    partial.mkdir(parents=True, exist_ok=True)
    return partial / f"{hashlib.sha256(os.fsencode(target)).hexdigest()[:16]}-{os.getpid()}"
