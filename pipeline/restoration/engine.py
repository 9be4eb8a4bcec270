"""The engine: one work in, its digital reconstruction and the proof of what changed out.

A chain of steps. Mode `conserve`: detect, fill; pixels inside the mask are filled, everything else stays.
Mode `enhance`: detect, fill, enhance. Mode `upscale`: detect, fill, upscale. The mask is given, or found
by the detector, or both together. Every page of a file goes through the chain by itself, window by
window; a page that needs nothing is kept as it is, and a work that needs nothing is a byte copy.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.archive.atomic import write_json
from pipeline.archive.canvas import Canvas
from pipeline.archive.fixity import file_sha256
from pipeline.archive.formats.slices import Slices
from pipeline.archive.imagefile import ImageFile, Page, count_pages, decode, open_image
from pipeline.archive.imagewrite import NewPage, Written, write
from pipeline.errors import ItemError
from pipeline.restoration import names
from pipeline.restoration.enhancing import improve
from pipeline.restoration.filling import Account, fill
from pipeline.restoration.masks import Damage, find_damage
from pipeline.restoration.methods import Kit
from pipeline.restoration.quantisation import luma_step
from pipeline.restoration.statements import source_type, statement


class SourceChanged(ItemError):
    """The source was altered while it was worked on; another run may find it settled."""


@dataclass(frozen=True)
class Tree:
    """Where the results of a run go."""

    works: Path
    proof: Path
    partial: Path  # files in the making, on the same file system

    @classmethod
    def at(cls, out: Path) -> Tree:
        """The output tree of an archive restored to `out`."""
        return cls(out / "data/works", out / "data/proof", out / ".pentimento/partial")


@dataclass(frozen=True)
class Work:
    """One work: where it lies, what it is called, and its mask file, if there is one."""

    source: Path
    relative: str  # POSIX, with surrogate escapes for bytes that are not UTF-8
    mask: Path | None = None


@dataclass(frozen=True)
class Result:
    """What the chain made of a page."""

    new: NewPage | None  # None: the page stays as it is
    damage: Damage
    improved: str | None  # the method that changed the whole page
    judged: Mapping[str, float | bool] = field(default_factory=dict)  # see Enhancer


def restore_work(work: Work, tree: Tree, kit: Kit) -> dict[str, Any]:
    """Restore one work: writes works/<name> and proof/<name>.json, wholly or not at all.

    Returns:
        A summary for the ledger: output names, sizes, hashes, megapixels, damage.

    Raises:
        ItemError: when the work cannot be restored; nothing is written then.
        OSError: when a file cannot be read or written.
    """
    digest = file_sha256(work.source)
    try:
        return _restore(work, digest, tree, kit)
    except ItemError:
        # What was read as broken may have been half-written by someone else.
        _require_same(work.source, digest)
        raise


def _restore(work: Work, digest: str, tree: Tree, kit: Kit) -> dict[str, Any]:
    tree.partial.mkdir(parents=True, exist_ok=True)
    mask_digest = file_sha256(work.mask) if work.mask else None
    file = open_image(work.source, kit.settings.max_megapixels)
    name, account = names.output_name(work.relative), Account()
    temporary = _partial(tree.works / name, tree.partial)
    with ExitStack() as stack:
        stack.callback(temporary.unlink, missing_ok=True)
        pages = [
            _restore_page(file, number, mask, kit, account, tree, stack)
            for number, mask in enumerate(_masks(work.mask, len(file.pages)))
        ]
        made_by = source_type(account, pages, kit)
        if any(page.new for page in pages):
            stated = made_by if kit.settings.state_source_type else None
            new, jpeg_output = [page.new for page in pages], kit.settings.jpeg_output
            written = write(file, new, temporary, stated, jpeg_output, tree.partial)
        else:
            written = _copy(file, temporary, digest)
        sidecar = _sidecar(work, file, (digest, mask_digest), pages, account, written, made_by, kit)
        _require_same(work.source, digest)
        target = tree.works / (name + written.suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
    proof = tree.proof / f"{name}.json"
    proof.parent.mkdir(parents=True, exist_ok=True)
    write_sidecar(proof, sidecar, tree.partial)
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
        "damage": sidecar["mask"]["fraction"],
        "copied": not any(page.new for page in pages),
        "fallbacks": len(sidecar["fallbacks"]),
    }


def _require_same(source: Path, digest: str) -> None:
    if file_sha256(source) != digest:
        raise SourceChanged("was altered while it was being restored; run the command again")


def write_sidecar(path: Path, value: dict[str, Any], partial: Path) -> None:
    """Write a sidecar through the folder for files in the making."""
    temporary = _partial(path, partial)
    write_json(temporary, value)
    temporary.replace(path)


def _restore_page(
    file: ImageFile,
    number: int,
    given: tuple[Path, int] | None,
    kit: Kit,
    account: Account,
    tree: Tree,
    stack: ExitStack,
) -> Result:
    page, settings = file.pages[number], kit.settings
    canvas = stack.enter_context(Canvas(page.shape, page.dtype, page.colours, tree.partial))
    mask = stack.enter_context(Canvas((page.height, page.width, 1), np.uint8, 1, tree.partial))
    decode(file, number, canvas)  # also where there is nothing to do: a cut-off file is no good copy
    damage = find_damage(canvas, mask, given, kit.detector, kit.classical_detector)
    account.fallbacks += damage.fallbacks
    share = damage.pixels / (page.width * page.height)
    if share > settings.max_damage:
        limit = settings.max_damage
        raise ItemError(f"has {share:.1%} damage; more than max_damage ({limit:.0%}) is not invented")
    if damage.pixels:
        fill(canvas, mask, kit, account, damage.kind)
    judged: Mapping[str, float | bool] = {}
    if kit.improver is not None and kit.classical_improver is not None:
        larger = (page.height * kit.improver.scale, page.width * kit.improver.scale, page.channels)
        out = stack.enter_context(Canvas(larger, page.dtype, page.colours, tree.partial))
        # A new JPEG with the source's tables would fall back into its steps: worse than left alone.
        step = None
        if file.format == "jpeg" and settings.jpeg_output == "tiff":
            with Slices(file.path) as content:
                step = luma_step(content)
        done = improve(canvas, out, kit.improver, kit.classical_improver, settings.tile, step)
        account.fallbacks += done.fallbacks
        judged = done.judged
        if done.changed:
            _close(canvas, mask)
            return Result(NewPage(out, None), damage, done.method, judged)
        out.close()
    if damage.pixels:
        return Result(NewPage(canvas, mask), damage, None, judged)
    _close(canvas, mask)
    return Result(None, damage, None, judged)


def _masks(path: Path | None, pages: int) -> list[tuple[Path, int] | None]:
    """The page of a mask file for each page of a work."""
    if path is None:
        return [None] * pages
    count = count_pages(path)
    if count > pages:
        raise ItemError(f"its mask has {count} pages, the picture has {pages}")
    return [(path, number) if number < count else None for number in range(pages)]


def _sidecar(
    work: Work,
    file: ImageFile,
    digests: tuple[str, str | None],
    pages: list[Result],
    account: Account,
    written: Written,
    made_by: str | None,
    kit: Kit,
) -> dict[str, Any]:
    masked = sum(page.damage.pixels for page in pages)
    total = sum(page.width * page.height for page in file.pages)
    first = pages[0].damage
    used = {page.improved for page in pages if page.improved} | account.methods
    if kit.detector is not None:
        used.add(kit.detector.name)
    return {
        "statement": statement(pages),
        "mode": kit.settings.mode,
        "source": _describe(work, file, digests[0]),
        "output": {
            "path": names.output_name(work.relative) + written.suffix,
            "sha256": written.sha256,
            "bytes": written.size,
            "lossless": written.lossless,
            "changes_of_nature": list(written.notes),
        },
        "mask": {
            "origin": first.origin,
            "kind": first.kind,
            "file_sha256": digests[1],
            "pixels": masked,
            "fraction": round(masked / total, 8),
        },
        **account.as_dict(),
        "whole_picture": sorted({page.improved for page in pages if page.improved}),
        "pages": [_page(page, result) for page, result in zip(file.pages, pages, strict=True)],
        "outside_mask": {
            "largest_difference": written.largest_difference,
            "changed_pixels": written.changed_outside,
        },
        "digital_source_type": made_by,
        "digital_source_type_in_file": written.states_source_type,
        "models": {name: dict(kit.models[name]) for name in sorted(used & kit.models.keys())},
        "settings": kit.recipe,
        "code_sha256": kit.code_sha256,
        "software": dict(kit.software),
    }


def _describe(work: Work, file: ImageFile, digest: str) -> dict[str, Any]:
    page = file.pages[0]
    return {
        "path": names.encode(work.relative),
        "sha256": digest,
        "bytes": file.size,
        "format": file.format,
        "width": page.width,
        "height": page.height,
        "channels": page.channels,
        "bits_per_sample": 8 * page.dtype.itemsize,
    }


def _page(page: Page, result: Result) -> dict[str, Any]:
    size = result.new.canvas.shape if result.new else page.shape
    return {
        "width": size[1],
        "height": size[0],
        "masked_pixels": result.damage.pixels,
        "judged": dict(result.judged),
        "kept_as_it_is": result.new is None,
    }


def _copy(file: ImageFile, target: Path, digest: str) -> Written:
    """The source, byte for byte."""
    with file.path.open("rb") as source, target.open("wb") as handle:
        shutil.copyfileobj(source, handle, 1 << 20)
        handle.flush()
        os.fsync(handle.fileno())
    if file_sha256(target) != digest:
        raise SourceChanged("was altered while it was being copied; run the command again")
    return Written("", digest, file.size, file.lossless, 0, 0, False, ())


def _close(*canvases: Canvas) -> None:
    for canvas in canvases:
        canvas.close()


def _partial(target: Path, partial: Path) -> Path:
    partial.mkdir(parents=True, exist_ok=True)
    return partial / f"{hashlib.sha256(os.fsencode(target)).hexdigest()[:16]}-{os.getpid()}"


def _stat(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
