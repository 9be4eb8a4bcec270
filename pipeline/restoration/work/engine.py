"""The engine: it turns one work into its digital reconstruction and a record of what changed.

Every page of a file goes through the chain of steps by itself (page.py). A page that needs no change keeps
its bytes. A work that needs no change is a byte copy.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.archive.fixity import file_sha256
from pipeline.archive.imagefile import ImageFile, count_pages, open_image
from pipeline.archive.imagewrite import Written, write
from pipeline.errors import ItemError
from pipeline.restoration.methods.kit import Kit
from pipeline.restoration.work.filling import Account
from pipeline.restoration.work.page import restore_page
from pipeline.restoration.work.sidecar import sidecar, write_sidecar
from pipeline.restoration.work.statements import source_type
from pipeline.restoration.work.work import Tree, Work, temporary_path


class SourceChanged(ItemError):
    """Another process changed the source during the restoration; a later run may succeed."""


def restore_work(work: Work, tree: Tree, kit: Kit) -> dict[str, Any]:
    """Restore one work: write works/<name> and proof/<name>.json, each complete or not at all.

    Args:
        work: the work and its mask.
        tree: the output tree.
        kit: settings and opened methods.

    Returns:
        A summary for the ledger: output names, sizes, hashes, megapixels, and the damaged share of the
        pixels.

    Raises:
        ItemError: when the work cannot be restored; no result is written then.
        OSError: when a file cannot be read or written.
    """
    digest = file_sha256(work.source)
    try:
        return _restore(work, digest, tree, kit)
    except ItemError:
        # A file that looks broken may have been only half-written by another process.
        _require_same(work.source, digest)
        raise


def _restore(work: Work, digest: str, tree: Tree, kit: Kit) -> dict[str, Any]:
    tree.partial.mkdir(parents=True, exist_ok=True)
    mask_digest = file_sha256(work.mask) if work.mask else None
    file = open_image(work.source, kit.settings.max_megapixels)
    name, account = work.name, Account()
    temporary = temporary_path(tree.works / name, tree.partial)
    with ExitStack() as stack:
        stack.callback(temporary.unlink, missing_ok=True)
        pages = [
            restore_page(file, number, mask, kit, account, tree.partial, stack)
            for number, mask in enumerate(_masks(work.mask, len(file.pages)))
        ]
        made_by = source_type(account, pages, kit)
        if any(page.new for page in pages):
            stated = made_by if kit.settings.state_source_type else None
            new, jpeg_output = [page.new for page in pages], kit.settings.jpeg_output
            written = write(file, new, temporary, stated, jpeg_output, tree.partial)
        else:
            written = _copy(file, temporary, digest)
        record = sidecar(work, file, (digest, mask_digest), pages, account, written, made_by, kit)
        _require_same(work.source, digest)
        target = tree.works / (name + written.suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
    proof = tree.proof / f"{name}.json"
    proof.parent.mkdir(parents=True, exist_ok=True)
    write_sidecar(proof, record, tree.partial)
    return {
        "output": name + written.suffix,
        "output_sha256": written.sha256,
        "output_stat": _stat(target),
        "proof": f"{name}.json",
        "proof_sha256": file_sha256(proof),
        "proof_stat": _stat(proof),
        "source_sha256": digest,
        "mask_sha256": mask_digest,
        "megapixels": round(sum(page.width * page.height for page in file.pages) / 1e6, 6),
        "damage": record["mask"]["fraction"],
        "copied": not any(page.new for page in pages),
        "fallbacks": len(record["fallbacks"]),
    }


def _require_same(source: Path, digest: str) -> None:
    if file_sha256(source) != digest:
        raise SourceChanged("was altered while it was being restored; run the command again")


def _masks(path: Path | None, pages: int) -> list[tuple[Path, int] | None]:
    """For each page of a work, the mask file and its page; None for pages without a mask."""
    if path is None:
        return [None] * pages
    count = count_pages(path)
    if count > pages:
        raise ItemError(f"its mask has {count} pages, the picture has {pages}")
    return [(path, number) if number < count else None for number in range(pages)]


def _copy(file: ImageFile, target: Path, digest: str) -> Written:
    """Copy the source byte for byte."""
    with file.path.open("rb") as source, target.open("wb") as handle:
        shutil.copyfileobj(source, handle, 1 << 20)
        handle.flush()
        os.fsync(handle.fileno())
    if file_sha256(target) != digest:
        raise SourceChanged("was altered while it was being copied; run the command again")
    return Written("", digest, file.size, file.lossless, 0, 0, False, ())


def _stat(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
