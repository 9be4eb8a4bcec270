"""A project whose data stages are run on a small archive, and an archive of bad files."""

from __future__ import annotations

import functools
import importlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from pipeline import stages
from pipeline.stage import run_stage
from tests.conftest import painting

DATA_STAGES = ("inventory", "ingest", "features", "clean", "duplicates", "prepare")


def settle(root: Path, archive: Path, **changes: Any) -> None:
    """Point the project at an archive; changes are given as section__key=value."""
    yaml = YAML()
    params = yaml.load((root / "params.yaml").read_text())
    params["inventory"]["sources"] = [{"kind": "folder", "location": str(archive), "labels": ["school"]}]
    params["clean"]["min_side"] = 16
    for name, value in changes.items():
        section, key = name.split("__")
        params[section][key] = value
    with (root / "params.yaml").open("w") as handle:
        yaml.dump(params, handle)


def run(root: Path, *names: str) -> dict[str, Any]:
    return {name: run_stage(stages.load(name), root) for name in names or DATA_STAGES}


def count_calls(monkeypatch: pytest.MonkeyPatch, target: str) -> list[Any]:
    module, name = target.rsplit(".", 1)
    original = getattr(importlib.import_module(module), name)
    calls: list[Any] = []

    @functools.wraps(original)  # it means what the original means
    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments[0])
        return original(*arguments, **options)

    monkeypatch.setattr(target, counted)
    return calls


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds one pixel's worth of data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def bad_archive(folder: Path) -> dict[str, str]:
    """Write an archive of good and bad files; the bad ones with a word of the reason expected."""
    good = Image.fromarray(painting(0))
    folder.mkdir(parents=True)
    buffer = io.BytesIO()
    good.save(buffer, "JPEG")
    whole = buffer.getvalue()
    (folder / "good.jpg").write_bytes(whole)
    (folder / "twin.jpg").write_bytes(whole)
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.tif").write_text("no picture")
    (folder / "bomb.png").write_bytes(png_header(100_000, 100_000))
    Image.fromarray(painting(1, 8, 200)).save(folder / "small.png")
    Image.fromarray(painting(2)).save(folder / "mislabelled.jpg", format="PNG")
    Image.fromarray(painting(3)).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(painting(4)).convert("P").save(folder / "palette.png")
    Image.fromarray(painting(5)[..., 0].astype(np.uint16) * 257).save(folder / "deep.tif")
    frames = [Image.fromarray(painting(n)) for n in (6, 7)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    (folder / os.fsdecode(b"bytes\xff.png")).write_bytes(whole)
    return {
        "bytes\\udcff.png": "no printable UTF-8",
        "twin.jpg": "the same file as folder:good.jpg",
        "cut.jpg": "cannot be decoded",
        "empty.png": "is empty",
        "text.tif": "is not a readable image",
        "bomb.png": "declares 100000 x 100000 pixels",
        "small.png": "has only 200 x 8 pixels",
    }
