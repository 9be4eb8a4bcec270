"""The sidecar of a work: what was changed, by which methods, and hashes that prove the rest unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.archive.atomic import write_json
from pipeline.archive.imagefile import ImageFile, Page
from pipeline.archive.imagewrite import Written
from pipeline.archive.versions import KEY
from pipeline.restoration.methods.kit import Kit
from pipeline.restoration.work.filling import Account
from pipeline.restoration.work.page import Result
from pipeline.restoration.work.statements import statement
from pipeline.restoration.work.work import Work, temporary_path

VERSION = 1  # of the sidecar's fields


def sidecar(
    work: Work,
    file: ImageFile,
    digests: tuple[str, str | None],
    pages: list[Result],
    account: Account,
    written: Written,
    made_by: str | None,
    kit: Kit,
) -> dict[str, Any]:
    """The sidecar's content; docs/formats.md describes each field.

    Args:
        work: the work and its mask.
        file: the opened source.
        digests: SHA-256 of the source and of the mask file, or None without one.
        pages: the result for each page of the file.
        account: what the fillers did, and which methods failed.
        written: the output file.
        made_by: the IPTC digital source type, see statements.source_type.
        kit: settings and opened methods.
    """
    masked = sum(page.damage.pixels for page in pages)
    total = sum(page.width * page.height for page in file.pages)
    first = pages[0].damage
    whole = {name for page in pages for name in page.improved}
    used = whole | account.methods | {link.method.name for link in kit.links("mask")}
    return {
        KEY: VERSION,
        "statement": statement(pages),
        "mode": None if kit.settings.steps else kit.settings.mode,
        "steps": [{"step": link.step.name, "methods": link.names} for link in kit.chain],
        "source": _describe(work, file, digests[0]),
        "output": {
            "path": work.name + written.suffix,
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
        "whole_picture": sorted(whole),
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
        "path": work.path,
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
        "judged": {key: value for done in result.improvements for key, value in done.judged.items()},
        "changed_by": list(result.improved),
        "kept_as_it_is": result.new is None,
    }


def write_sidecar(path: Path, value: dict[str, Any], partial: Path) -> None:
    """Write a sidecar to a temporary file in `partial`, then move it into place."""
    temporary = temporary_path(path, partial)
    write_json(temporary, value)
    temporary.replace(path)
