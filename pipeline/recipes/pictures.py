"""The pictures that a network is trained and validated on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.archive.filetypes import SUFFIXES
from pipeline.archive.fixity import file_sha256, value_sha256
from pipeline.archive.images import read_rgb
from pipeline.archive.shards import INDEX, Shards
from pipeline.catalog.originals import read_originals, works_of
from pipeline.errors import ItemError, PentimentoError
from pipeline.progress import say, track

Picture = NDArray[np.uint8]  # (H, W, 3), sRGB


@dataclass(frozen=True)
class Pictures:
    """Train and validation pictures, of different works, and what a card says of them."""

    train: list[Picture]
    validation: list[Picture]
    described: dict[str, Any]


@dataclass(frozen=True)
class Originals:
    """How the originals of works are read; they are larger, and less sharp, than what data/prepared holds.

    side: larger ones are reduced so that the longer side has so many pixels.
    works: of a split, at most, since memory holds them all; which ones is drawn by the seed.
    seed: of that draw.
    """

    side: int
    works: int
    seed: int


def of_archive(works: Path, prepared: Path, root: Path, originals: Originals | None) -> Pictures:
    """The train and val works of the project's archive.

    Args:
        works: data/works.parquet.
        prepared: data/prepared.
        root: the project.
        originals: how originals are read; None: take the packed pictures of data/prepared.

    Raises:
        PentimentoError: when a split is empty, or an original is no longer what the catalog says.
    """
    found: dict[str, list[Picture]] = {}
    described: dict[str, Any] = {}
    tables: list[pd.DataFrame] = []
    shards = None if originals else Shards(prepared)
    for split in ("train", "val"):
        table = works_of(works, prepared / INDEX, split)
        if table.empty:
            raise PentimentoError(f"the {split} split is empty; see prepare.split")
        if originals:
            table = table.sample(min(len(table), originals.works), random_state=originals.seed).sort_index()
            read = read_originals(table, root, originals.side)
            found[split] = list(track(read, f"{split} works", len(table)))
        elif shards:
            found[split] = [shards[row] for row in shards.rows(split)]
        tables.append(table)
        described[f"{split}_works"] = len(found[split])
    both = pd.concat(tables)
    described["sources"] = sorted({str(location) for location in both["location"]})
    described["sha256"] = value_sha256(sorted(str(sha256) for sha256 in both["sha256"]))
    return Pictures(found["train"], found["val"], {"archive": described})


def with_folders(
    pictures: Pictures, folders: list[Path], side: int, kept: int, leave_out: frozenset[str] = frozenset()
) -> Pictures:
    """The same, and the readable pictures of some folders.

    Args:
        pictures: those of the archive.
        folders: searched with all folders inside them.
        side: larger pictures are reduced so that the longer side has so many pixels.
        kept: every so many of them are for validation; 0: none is.
        leave_out: names without suffixes of pictures that are not used.

    Raises:
        PentimentoError: when a folder holds no readable picture.
    """
    train, validation, entries = list(pictures.train), list(pictures.validation), []
    for folder in folders:
        found, hashes = read_folder(folder, side, leave_out)
        held_out = found[::kept] if kept else []
        train += [one for number, one in enumerate(found) if not kept or number % kept]
        validation += held_out
        entries.append(
            {
                "name": folder.resolve().name,
                "train_pictures": len(found) - len(held_out),
                "val_pictures": len(held_out),
                "sha256": value_sha256(sorted(hashes)),
            }
        )
    return Pictures(train, validation, pictures.described | ({"folders": entries} if entries else {}))


def read_folder(
    folder: Path, side: int, leave_out: frozenset[str] = frozenset()
) -> tuple[list[Picture], list[str]]:
    """Every readable picture of a folder, in the order of their paths, and the SHA-256 of their files.

    Raises:
        PentimentoError: when there is none.
    """
    files = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.stem not in leave_out
    )
    pictures, hashes = [], []
    for path in track(files, f"reading {folder}"):
        try:
            pictures.append(read_rgb(path, side))
            hashes.append(file_sha256(path))
        except ItemError as error:
            say(f"left out: {path} {error}")
    if not pictures:
        raise PentimentoError(f"{folder} holds no readable picture")
    return pictures, hashes
