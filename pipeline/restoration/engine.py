"""The engine: one damaged work in, its digital reconstruction and the proof of what changed out.

Mode `conserve`: pixels inside the mask are filled, everything else stays. The mask is given, or found
by the detector, or both together. Its connected parts are told apart by shape (thin or wide), and each
is filled by the method that was measured to be best for its shape (or for its kind, where the mask says
what it marks), on crops around the parts: the cost follows the damage, not the size of the scan.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive import imagefile
from pipeline.archive.atomic import write_json
from pipeline.archive.fixity import file_sha256
from pipeline.errors import ItemError
from pipeline.restoration import names
from pipeline.restoration.fill import Filler, FillFailed, Mask
from pipeline.restoration.masks import find_damage
from pipeline.restoration.methods import LEARNT, Kit
from pipeline.restoration.shapes import SHAPES, THIN

STATEMENT = (
    "Digital reconstruction: pixels inside the mask were computed and are not a record of the work. "
    "It was made for viewing and study and is no basis for treating the object."
)
UNCHANGED = "No damage was given or found: the file is a byte copy of the source."
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
EDITED_BY_MODEL = SOURCE_TYPE + "compositeWithTrainedAlgorithmicMedia"  # inpainting by a trained model
EDITED_BY_ALGORITHM = SOURCE_TYPE + "algorithmicallyEnhanced"  # by an algorithm that was not trained
_CELL = 512  # pixels: parts that lie in one cell of this side share a crop
_ALIGN = 64  # crops begin at multiples, so that networks see the same grid whatever the crop


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


@dataclass
class Account:
    """What was filled by which method."""

    pixels: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    parts: dict[str, int] = field(default_factory=dict)
    fallbacks: list[str] = field(default_factory=list)

    def add(self, shape: str, method: str, pixels: int) -> None:
        """Count pixels filled by a method."""
        self.pixels[shape][method] = self.pixels[shape].get(method, 0) + pixels

    def as_dict(self) -> dict[str, Any]:
        """For the sidecar."""
        shapes = {
            shape: {"parts": self.parts[shape], "pixels_by_method": self.pixels[shape]}
            for shape in SHAPES
            if self.parts.get(shape)
        }
        return {"methods": shapes, "fallbacks": sorted(set(self.fallbacks))}


def restore_work(work: Work, tree: Tree, kit: Kit) -> dict[str, Any]:
    """Restore one work: writes works/<name> and proof/<name>.json, wholly or not at all.

    Returns:
        A summary for the ledger: output names, sizes, hashes, megapixels, damage.

    Raises:
        ItemError: when the work cannot be restored; nothing is written then.
        OSError: when a file cannot be read or written.
    """
    content = work.source.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    picture = imagefile.read(content, kit.settings.max_megapixels)
    damage = find_damage(picture, work.mask, kit.settings.detect)
    mask, account = damage.mask, Account()
    share = float(mask.mean())
    if share > kit.settings.max_damage:
        limit = kit.settings.max_damage
        raise ItemError(f"has {share:.1%} damage; more than max_damage ({limit:.0%}) is not invented")
    source_type = None
    if share == 0.0:
        written = imagefile.Written(content, "", picture.lossless, 0, 0, False, ())
    else:
        filled = fill(picture, mask, kit, account, damage.kind)
        learnt = any(LEARNT in methods for methods in account.pixels.values())
        source_type = EDITED_BY_MODEL if learnt else EDITED_BY_ALGORITHM
        stated = source_type if kit.settings.state_source_type else None
        written = imagefile.write(picture, filled, mask, stated, kit.settings.jpeg_output)
    name = names.output_name(work.relative)
    output = {
        "path": name + written.suffix,
        "sha256": hashlib.sha256(written.content).hexdigest(),
        "bytes": len(written.content),
        "lossless": written.lossless,
        "changes_of_nature": list(written.notes),
    }
    sidecar = {
        "statement": STATEMENT if share else UNCHANGED,
        "source": _describe(work, picture, digest),
        "output": output,
        "mask": {
            "origin": damage.origin,
            "kind": damage.kind,
            "file_sha256": damage.file_sha256,
            "pixels": int(mask.sum()),
            "fraction": round(share, 8),
        },
        **account.as_dict(),
        "outside_mask": {
            "largest_difference": written.largest_difference,
            "changed_pixels": written.changed_outside,
        },
        "digital_source_type": source_type,
        "digital_source_type_in_file": written.states_source_type,
        "model": dict(kit.model) if kit.model and source_type == EDITED_BY_MODEL else None,
        "settings": kit.recipe,
        "code_sha256": kit.code_sha256,
        "software": dict(kit.software),
    }
    if file_sha256(work.source) != digest:
        raise SourceChanged("was altered while it was being restored; run the command again")
    target = tree.works / (name + written.suffix)
    proof = tree.proof / f"{name}.json"
    _place(target, written.content, tree.partial)
    proof.parent.mkdir(parents=True, exist_ok=True)
    write_sidecar(proof, sidecar, tree.partial)
    return {
        "output": name + written.suffix,
        "output_sha256": output["sha256"],
        "output_stat": _stat(target),
        "proof": f"{name}.json",
        "proof_sha256": file_sha256(proof),
        "proof_stat": _stat(proof),
        "source_sha256": digest,
        "mask_sha256": sidecar["mask"]["file_sha256"],
        "megapixels": round(picture.pixels.shape[0] * picture.pixels.shape[1] / 1e6, 6),
        "damage": round(share, 8),
        "fallbacks": len(sidecar["fallbacks"]),
    }


def write_sidecar(path: Path, value: dict[str, Any], partial: Path) -> None:
    """Write a sidecar through the folder for files in the making."""
    temporary = _partial(path, partial)
    write_json(temporary, value)
    temporary.replace(path)


def fill(
    picture: imagefile.Picture, mask: Mask, kit: Kit, account: Account, kind: str | None = None
) -> NDArray[Any]:
    """The picture's colours, (H, W, C) of its own type, with the masked pixels filled.

    Raises:
        ItemError: when no method can fill a part.
    """
    import cv2

    result = picture.colour.copy()
    _, found, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    labels, stats = np.asarray(found, np.int32), np.asarray(boxes, np.int32)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    deepest = np.zeros(len(stats), np.float32)
    np.maximum.at(deepest, labels[mask], depth[mask])
    thin = deepest <= THIN
    for shape, members in (("thin", thin), ("wide", ~thin)):
        chosen = np.flatnonzero(members)
        chosen = chosen[chosen > 0]  # 0 is the background
        if not chosen.size:
            continue
        account.parts[shape] = len(chosen)
        filler = kit.filler(shape, kind)
        reach = max(filler.reach, kit.fallback.reach)
        for window, group in _crops(stats, chosen, mask.shape, reach):
            wanted = group[labels[window]]
            pixels = picture.colour[window].astype(np.float32) / np.float32(picture.peak)
            filled, method = _fill_crop(filler, kit.fallback, pixels, mask[window], account)
            account.add(shape, method, int(wanted.sum()))
            values = np.rint(filled[wanted].astype(np.float64) * picture.peak)
            result[window][wanted] = values.astype(result.dtype)
    return result


def _fill_crop(
    filler: Filler, fallback: Filler, pixels: NDArray[np.float32], hole: Mask, account: Account
) -> tuple[NDArray[np.float32], str]:
    try:
        return filler(pixels, hole), filler.name
    except FillFailed as error:
        account.fallbacks.append(f"{filler.name} -> {fallback.name}: {error}")
    try:
        return fallback(pixels, hole), fallback.name
    except FillFailed as error:
        raise ItemError(f"cannot be filled: {fallback.name}: {error}") from None


def _crops(
    stats: NDArray[np.int32], chosen: NDArray[np.int64], shape: tuple[int, ...], reach: int
) -> Iterator[tuple[tuple[slice, slice], Mask]]:
    """Windows around parts with context, each with a table: label -> whether it is filled there."""
    boxes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for label in chosen.tolist():
        x, y, width, height, _ = (int(value) for value in stats[label])
        large = max(width, height) > _CELL
        key = (label,) if large else ((x + width // 2) // _CELL, (y + height // 2) // _CELL)
        boxes[key].append(label)
    windows = []
    for labels in boxes.values():
        x, y = stats[labels, 0].min(), stats[labels, 1].min()
        right = (stats[labels, 0] + stats[labels, 2]).max()
        bottom = (stats[labels, 1] + stats[labels, 3]).max()
        rows = _side(int(y), int(bottom), shape[0], reach)
        columns = _side(int(x), int(right), shape[1], reach)
        windows.append(((rows, columns), labels))
    area = sum((r.stop - r.start) * (c.stop - c.start) for (r, c), _ in windows)
    if area > shape[0] * shape[1]:  # crops that overlap so much would cost more than the whole
        windows = [((slice(0, shape[0]), slice(0, shape[1])), chosen.tolist())]
    for window, labels in windows:
        group = np.zeros(len(stats), np.bool_)
        group[labels] = True
        yield window, group


def _side(start: int, stop: int, size: int, reach: int) -> slice:
    return slice(max(0, (start - reach) // _ALIGN * _ALIGN), min(size, stop + reach))


def _describe(work: Work, picture: imagefile.Picture, digest: str) -> dict[str, Any]:
    return {
        "path": names.encode(work.relative),
        "sha256": digest,
        "bytes": len(picture.content),
        "format": picture.format,
        "width": picture.pixels.shape[1],
        "height": picture.pixels.shape[0],
        "channels": picture.pixels.shape[2],
        "bits_per_sample": 8 * picture.pixels.itemsize,
    }


def _place(target: Path, content: bytes, partial: Path) -> None:
    temporary = _partial(target, partial)
    try:
        with temporary.open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _partial(target: Path, partial: Path) -> Path:
    partial.mkdir(parents=True, exist_ok=True)
    return partial / f"{hashlib.sha256(os.fsencode(target)).hexdigest()[:16]}-{os.getpid()}"


def _stat(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
