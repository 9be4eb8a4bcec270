"""One work of an archive, and where its result goes."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from pipeline import paths


@dataclass(frozen=True)
class Work:
    """One work: its file, its name, and its mask file.

    source: the file.
    path: the encoded path relative to the archive (see runs.names); sidecars and journals use it.
    mask: the mask file; None without one.
    shortened: the name in the output tree where `path` is too long for a file system; else None.
    """

    source: Path
    path: str
    mask: Path | None = None
    shortened: str | None = None

    @property
    def name(self) -> str:
        """The work's name in the output tree, without the suffix that a new format adds."""
        return self.shortened or self.path


@dataclass(frozen=True)
class Tree:
    """The folders for the results of a run."""

    works: Path
    proof: Path
    partial: Path  # temporary files, on the same file system

    @classmethod
    def at(cls, out: Path) -> Tree:
        """The output tree of an archive restored to `out`."""
        return cls(out / paths.OUTPUT_WORKS, out / paths.OUTPUT_PROOF, out / paths.OUTPUT_STATE / "partial")


def temporary_path(target: Path, partial: Path) -> Path:
    """A path in the folder `partial` for writing a file before it moves to `target`; creates the folder."""
    partial.mkdir(parents=True, exist_ok=True)
    return partial / f"{hashlib.sha256(os.fsencode(target)).hexdigest()[:16]}-{os.getpid()}"
