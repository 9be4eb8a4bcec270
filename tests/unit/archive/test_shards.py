from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.archive import shards
from pipeline.archive.shards import INDEX, Shards, write_shards


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
