from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.archive import shards
from pipeline.archive.shards import INDEX, Planned, Shards, renew_shards, write_shards


def test_pictures_come_back_bit_for_bit_over_several_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 5000)
    rng = np.random.default_rng(0)
    sizes = [(10, 20), (31, 7), (40, 50), (1, 1), (24, 24)]
    pictures = {f"id{n}": rng.integers(0, 256, (*size, 3), np.uint8) for n, size in enumerate(sizes)}
    index = write_shards(tmp_path, pictures.items())
    index["split"] = ["train", "test", "train", "val", "train"]
    index.to_parquet(tmp_path / INDEX)
    packed = Shards(tmp_path)
    assert len(packed) == 5
    assert index["shard"].nunique() > 1
    for n, picture in enumerate(pictures.values()):
        assert np.array_equal(packed[n], picture)
    assert packed.rows("train") == [0, 2, 4]
    with pytest.raises(ValueError, match="read-only"):
        packed[0][0, 0, 0] = 1


def test_a_new_picture_changes_one_shard_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_PICTURES", 8)
    rng = np.random.default_rng(0)
    pictures = {f"work {n:03d}": rng.integers(0, 256, (5, 7, 3), np.uint8) for n in range(0, 200, 2)}

    def packed(name: str) -> set[bytes]:
        write_shards(tmp_path / name, sorted(pictures.items()))
        return {file.read_bytes() for file in (tmp_path / name).iterdir()}

    before = packed("before")
    pictures["work 101"] = rng.integers(0, 256, (5, 7, 3), np.uint8)
    after = packed("after")
    assert len(before) > 5
    assert 1 <= len(after - before) <= 2, "the shard it falls into, or two where it begins one"
    assert len(before - after) == 1


def renewed(folder: Path, pictures: dict[str, NDArray[np.uint8]], kept: Path) -> list[str]:
    """Pack pictures with what is kept; the works that were read."""
    works, asked = sorted(pictures), []
    planned = [Planned(work, str(pictures[work].sum()), *pictures[work].shape[:2]) for work in works]

    def read(positions: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        for position in positions:
            asked.append(works[position])
            yield pictures[works[position]]

    index = renew_shards(folder, planned, read, kept, "packing")
    plain = write_shards(folder.with_name(f"{folder.name} plain"), sorted(pictures.items()))
    assert index.equals(plain)
    for file in folder.with_name(f"{folder.name} plain").iterdir():
        assert (folder / file.name).read_bytes() == file.read_bytes()
    assert len(list(kept.iterdir())) == index["shard"].nunique() == len(list(folder.iterdir()))
    return asked


def some(count: int) -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    return {f"work {n:03d}": rng.integers(0, 256, (5, 7, 3), np.uint8) for n in range(0, 2 * count, 2)}


def test_equal_shards_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "SHARD_PICTURES", 8)
    monkeypatch.setattr(shards, "SHARD_BYTES", 1500)  # 14 pictures
    pictures, kept = some(100), tmp_path / "kept"
    assert renewed(tmp_path / "first", pictures, kept) == sorted(pictures)
    assert renewed(tmp_path / "same", pictures, kept) == []
    pictures["work 101"] = np.full((5, 7, 3), 9, np.uint8)
    asked = renewed(tmp_path / "one more", pictures, kept)
    assert "work 101" in asked and len(asked) < 40
    pictures["work 050"] = np.full((3, 4, 3), 8, np.uint8)
    assert "work 050" in renewed(tmp_path / "changed", pictures, kept)
    assert renewed(tmp_path / "fewer", some(1), kept) == ["work 000"]


def test_what_is_kept_cannot_be_altered_by_chance_and_half_of_it_is_not_taken(tmp_path: Path) -> None:
    pictures, kept = some(5), tmp_path / "kept"
    renewed(tmp_path / "first", pictures, kept)
    (file,) = kept.iterdir()
    assert file.stat().st_mode & 0o222 == 0
    file.unlink()
    file.write_bytes(b"half")
    assert renewed(tmp_path / "second", pictures, kept) == sorted(pictures)


def test_where_files_cannot_have_two_names_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(os, "link", refuse)
    pictures = some(5)
    planned = [Planned(work, work, *pixels.shape[:2]) for work, pixels in pictures.items()]
    for name in ("first", "second"):
        renew_shards(
            tmp_path / name,
            planned,
            lambda positions: iter([pictures[planned[n].key] for n in positions]),
            tmp_path / "kept",
            "packing",
        )
        assert (tmp_path / name / "shard-00000.bin").stat().st_size == 5 * 5 * 7 * 3
    assert not list((tmp_path / "kept").iterdir())
