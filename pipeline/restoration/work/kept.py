"""Restored works that are kept in a folder: a stage that restores the same works again copies them."""

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
    """What a result depends on beside the kit, as SHA-256: the work's name and the bytes of its files."""
    files = [file_sha256(file) if file else None for file in (work.source, work.mask)]
    return value_sha256([work.path, work.shortened, files])


def restore_kept(work: Work, kept: Tree, kit: Kit) -> dict[str, Any]:
    """Restore a work into the folder that keeps it; the summary that `restore_work` gives.

    Raises:
        ItemError: when the work cannot be restored.
        PentimentoError: when its source was altered meanwhile.
    """
    try:
        return restore_work(work, kept, kit)
    except SourceChanged as error:  # says nothing of the work: it must not be remembered
        raise PentimentoError(f"{work.path} {error}") from None


def stands(done: Mapping[str, Any], kept: Tree) -> bool:
    """Whether a work and its sidecar are in the folder as they were written."""
    files = {"output": kept.works, "proof": kept.proof}
    return all(
        (file := folder / done[name]).is_file() and file_sha256(file) == done[f"{name}_sha256"]
        for name, folder in files.items()
    )


def copy_kept(done: Mapping[str, Any], kept: Tree, tree: Tree) -> None:
    """Copy a work and its sidecar to another output tree."""
    for name, source, target in (("output", kept.works, tree.works), ("proof", kept.proof, tree.proof)):
        (target / done[name]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / done[name], target / done[name])
