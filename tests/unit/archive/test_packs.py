"""Packs: what was appended comes back, whatever happened at the end of the file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipeline.archive.packs import Pack
from pipeline.errors import PentimentoError


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(count)
    return [rng.integers(0, 256, (int(h), int(w), 3), np.uint8) for h, w in rng.integers(1, 40, (count, 2))]


def test_what_was_appended_comes_back_by_another_process(tmp_path):
    made = pictures(20)
    with Pack(tmp_path / "packs/96.bin") as pack, ThreadPoolExecutor(4) as pool:
        places = list(pool.map(pack.append, made))
        pack.flush()
    with Pack(tmp_path / "packs/96.bin") as pack:
        for picture, place in zip(made, places, strict=True):
            assert np.array_equal(pack.read(place), picture)


def test_a_view_that_is_not_contiguous_is_packed_as_it_looks(tmp_path):
    picture = pictures(3)[0][::-1, ::2]
    with Pack(tmp_path / "96.bin") as pack:
        assert np.array_equal(pack.read(pack.append(picture)), picture)


def test_bytes_that_a_kill_left_at_the_end_harm_nothing(tmp_path):
    first, second = pictures(2)
    with Pack(tmp_path / "96.bin") as pack:
        place = pack.append(first)
    with (tmp_path / "96.bin").open("ab") as file:
        file.write(b"half a picture")
    with Pack(tmp_path / "96.bin") as pack:
        other = pack.append(second)
        assert np.array_equal(pack.read(place), first)
        assert np.array_equal(pack.read(other), second)


def test_a_pack_that_was_cut_off_says_what_it_holds_no_more(tmp_path):
    first, second = pictures(2)
    with Pack(tmp_path / "96.bin") as pack:
        places = [pack.append(first), pack.append(second)]
        assert all(map(pack.holds, places))
    with (tmp_path / "96.bin").open("r+b") as file:
        file.truncate(places[1]["start"] + 1)
    with Pack(tmp_path / "96.bin") as pack:
        assert list(map(pack.holds, places)) == [True, False]


def test_two_processes_may_append_at_once(tmp_path):
    made = pictures(20)
    with Pack(tmp_path / "96.bin") as one, Pack(tmp_path / "96.bin") as other:
        places = [(one, other)[n % 2].append(picture) for n, picture in enumerate(made)]
        assert all(
            np.array_equal(other.read(place), picture) for place, picture in zip(places, made, strict=True)
        )


def test_an_array_without_bytes_comes_back(tmp_path):
    with Pack(tmp_path / "96.bin") as pack:
        assert pack.read(pack.append(np.zeros((0, 7), np.uint8))).shape == (0, 7)


def test_a_place_in_a_pack_that_was_deleted_is_none_in_the_next(tmp_path):
    first, second = pictures(2)
    with Pack(tmp_path / "96.bin") as pack:
        place = pack.append(first)
    (tmp_path / "96.bin").unlink()
    with Pack(tmp_path / "96.bin") as pack:
        for _ in range(9):
            pack.append(second)
        assert not pack.holds(place)


def test_altered_bytes_are_found_out(tmp_path):
    with Pack(tmp_path / "96.bin") as pack:
        place = pack.append(pictures(1)[0])
    content = bytearray((tmp_path / "96.bin").read_bytes())
    content[-1] ^= 1
    (tmp_path / "96.bin").write_bytes(content)
    with Pack(tmp_path / "96.bin") as pack, pytest.raises(PentimentoError, match="damaged; delete it"):
        pack.read(place)
