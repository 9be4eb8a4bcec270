"""Scan a folder tree for works, by suffix or first bytes, and another tree for their masks."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from pipeline.archive.filetypes import SUFFIXES, sniff
from pipeline.errors import ItemError, PentimentoError

Stat = list[int]  # size in bytes, modification time in nanoseconds

_NO_MASK = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)


@dataclass(frozen=True)
class Found:
    """A file that counts as a work because of its suffix or its first bytes."""

    relative: str  # POSIX, with surrogate escapes
    size: int
    mtime_ns: int


@dataclass
class Scan:
    """The works in a folder tree, and the files that are not works."""

    works: list[Found] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)  # relative path -> reason
    ignored: int = 0  # number of files that are not images
    links: int = 0  # links to folders; the scan skips them, because they may form a loop
    closed: list[str] = field(default_factory=list)  # unreadable folders; "" is the source itself


def scan(source: Path, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> Scan:
    """Find all works below a folder, sorted by path.

    Args:
        source: the folder. The scan follows links to files inside it. Links to files outside it count as
            unreadable, and links to folders are skipped.
        include: glob patterns of relative paths (`*` also matches `/`); empty: all paths.
        exclude: glob patterns of relative paths to skip.
    """
    result, root = Scan(), Path(os.path.realpath(source))
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            entries = list(os.scandir(source / folder if folder else source))
        except OSError as error:
            result.unreadable[folder or "."] = f"folder cannot be read: {error.strerror}"
            result.closed.append(folder)
            continue
        for entry in entries:
            relative = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(relative)
            elif entry.is_symlink() and _is_folder(entry):
                result.links += 1
            elif selected(relative, include, exclude):
                _look(entry, relative, root, result)
    result.works.sort(key=lambda work: work.relative)
    return result


@dataclass
class Masks:
    """The masks of an archive's works, by the works' relative paths."""

    folder: Path | None = None
    stats: dict[str, Stat] = field(default_factory=dict)  # for each work with a mask
    failures: dict[str, str] = field(default_factory=dict)  # for each work whose mask is unusable: the reason
    unused: int = 0  # pictures in the folder that belong to no work

    def of(self, relative: str) -> Path | None:
        """The path of a work's mask; None without one."""
        return None if self.folder is None or relative not in self.stats else _place(self.folder, relative)


def match_masks(folder: Path, works: Iterable[str], is_work: Callable[[str], bool]) -> Masks:
    """Look up the mask of each work: `folder`/a/b.jpg.png for the work a/b.jpg.

    Args:
        folder: the folder of masks.
        works: relative paths of the works of this run.
        is_work: tells whether a relative path is a work of the archive, in this run or not.

    Raises:
        PentimentoError: when no mask belongs to a work, for example in a wrong folder.
    """
    found, root = Masks(folder), os.fspath(folder)
    for relative in works:
        try:
            if mask := _mask_stat(f"{root}/{relative}.png"):
                found.stats[relative] = mask
        except ItemError as error:
            found.failures[relative] = str(error)
    used, found.unused = _survey(folder, is_work)
    if not (used or found.stats or found.failures):
        raise PentimentoError(
            f"no mask in {folder} belongs to any work of the archive; name them like MASKS/a/b.jpg.png "
            "for SRC/a/b.jpg, or leave out --masks"
        )
    return found


def _place(folder: Path, relative: str) -> Path:
    return folder / f"{relative}.png"


def _mask_stat(path: str) -> Stat | None:
    """Size and modification time of a mask; None when it does not exist.

    Raises:
        ItemError: when the path is not a file or a link to one, or cannot be read.
    """
    try:
        found = os.lstat(path)
    except OSError as error:
        if error.errno in _NO_MASK:
            return None
        raise ItemError(f"its mask cannot be read: {error.strerror}") from None
    is_link = stat.S_ISLNK(found.st_mode)
    if is_link:
        try:
            found = Path(path).stat()
        except OSError:  # the link is broken, or points to itself
            raise ItemError("its mask is a link to no file; mend or remove it") from None
    if not stat.S_ISREG(found.st_mode):
        raise ItemError(f"its mask is {'a link to no file' if is_link else 'no file'}; mend or remove it")
    return [found.st_size, found.st_mtime_ns]


def _look(entry: os.DirEntry[str], relative: str, root: Path, result: Scan) -> None:
    named = _split(entry.name)[1] in SUFFIXES
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


def _is_folder(link: os.DirEntry[str]) -> bool:
    try:
        return link.is_dir()
    except OSError:  # a link to itself
        return False


def _is_image(path: str) -> bool:
    try:
        with Path(path).open("rb") as handle:
            return sniff(handle.read(16)) is not None
    except PermissionError:
        return False  # unreadable and without an image suffix: not counted as a work


def selected(relative: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether the patterns select a relative path, see `scan`."""
    if include and not any(fnmatchcase(relative, pattern) for pattern in include):
        return False
    return not any(fnmatchcase(relative, pattern) for pattern in exclude)


def _survey(folder: Path, is_work: Callable[[str], bool]) -> tuple[int, int]:
    """The number of pictures below a folder that are masks of works, and the number of the others."""
    used, unused, root = 0, 0, os.fspath(folder)
    for place, _, files in os.walk(root):
        inside = place[len(root) :].strip("/")
        for file in files:
            stem, suffix = _split(file)
            if suffix in SUFFIXES:
                belongs = file.endswith(".png") and is_work(f"{inside}/{stem}" if inside else stem)
                used, unused = used + belongs, unused + (not belongs)
    return used, unused


def _split(name: str) -> tuple[str, str]:
    """A file name's stem, and its suffix in lower case; a `Path` for each file is slow."""
    stem, _, suffix = name.rpartition(".")
    return (stem, f".{suffix.lower()}") if stem else (name, "")
