"""A cache of restored works in a folder: a stage that restores a work again copies the cached result."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from pipeline.archive.fixity import file_sha256, value_sha256
from pipeline.errors import PentimentoError
from pipeline.restoration.methods.kit import Kit
from pipeline.restoration.work.engine import SourceChanged, restore_work
from pipeline.restoration.work.work import Tree, Work


def key_of(work: Work) -> str:
    """The cache key of a work, besides the kit: SHA-256 of its name and of the bytes of its files."""
    files = [file_sha256(file) if file else None for file in (work.source, work.mask)]
    return value_sha256([work.path, work.shortened, files])


def restore_kept(work: Work, kept: Tree, kit: Kit) -> dict[str, Any]:
    """Restore a work into the cache `kept`, and return the summary of `restore_work`.

    Raises:
        ItemError: when the work cannot be restored.
        PentimentoError: when another process changed the source meanwhile.
    """
    try:
        return restore_work(work, kept, kit)
    except SourceChanged as error:  # no fault of the work: the ledger must not record it
        raise PentimentoError(f"{work.path} {error}") from None


def stands(done: Mapping[str, Any], kept: Tree) -> bool:
    """Whether the cache holds a work and its sidecar, both unchanged."""
    files = {"output": kept.works, "proof": kept.proof}
    return all(
        (file := folder / done[name]).is_file() and file_sha256(file) == done[f"{name}_sha256"]
        for name, folder in files.items()
    )


def copy_kept(done: Mapping[str, Any], kept: Tree, tree: Tree) -> None:
    """Copy a work and its sidecar from the cache to another output tree."""
    for name, source, target in (("output", kept.works, tree.works), ("proof", kept.proof, tree.proof)):
        (target / done[name]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / done[name], target / done[name])
