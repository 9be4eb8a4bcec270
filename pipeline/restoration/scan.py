"""Look through a folder tree for works: by suffix, sniffed by content where the suffix says nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.archive.imagefile import sniff
from pipeline.archive.images import SUFFIXES


@dataclass(frozen=True, order=True)
class Found:
    """A file that is a work by its name or its first bytes."""

    relative: str  # POSIX, with surrogate escapes
    size: int
    mtime_ns: int


@dataclass
class Scan:
    """What a tree holds."""

    works: list[Found] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)  # relative path -> reason
    ignored: int = 0  # files that are no images
    links: int = 0  # links to folders, which are not followed: they may lead round in a circle


def scan(source: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Scan:
    """All works below a folder, sorted by path.

    Args:
        source: the folder. Links to files below it are followed; those that lead out of it are not
            readable, and links to folders are passed over.
        include: glob patterns of relative paths (`*` also matches `/`); empty = everything.
        exclude: glob patterns of paths to leave out.
    """
    result, root = Scan(), Path(os.path.realpath(source))
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(source / folder if folder else source))
        except OSError as error:
            result.unreadable[folder or "."] = f"folder cannot be read: {error.strerror}"
            continue
        for entry in entries:
            relative = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(relative)
            elif entry.is_symlink() and os.path.isdir(entry.path):  # unlike entry.is_dir, never raises
                result.links += 1
            elif selected(relative, include, exclude):
                _look(entry, relative, root, result)
    result.works.sort()
    return result


def _look(entry: os.DirEntry[str], relative: str, root: Path, result: Scan) -> None:
    named = Path(entry.name).suffix.lower() in SUFFIXES
    try:
        if not entry.is_file():
            if named and entry.is_symlink():
                result.unreadable[relative] = "is a link to nothing"
            else:
                result.ignored += 1  # sockets, devices, pipes
            return
        if not named and not _is_image(entry.path):
            result.ignored += 1
        elif entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
            result.unreadable[relative] = "path leads out of the source: it is a link to a file elsewhere"
        else:
            found = entry.stat()
            result.works.append(Found(relative, found.st_size, found.st_mtime_ns))
    except OSError as error:
        result.unreadable[relative] = f"cannot be read: {error.strerror}"


def _is_image(path: str) -> bool:
    try:
        with Path(path).open("rb") as handle:
            return sniff(handle.read(16)) is not None
    except PermissionError:
        return False  # nothing says that it is a work


def selected(relative: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a relative path is chosen by the patterns, see `scan`."""
    if include and not any(fnmatchcase(relative, pattern) for pattern in include):
        return False
    return not any(fnmatchcase(relative, pattern) for pattern in exclude)
