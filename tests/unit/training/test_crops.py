from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pipeline.training.crops import at_least, drawn, turned, zoomed


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize(("pictures", "count"), [(3, 7), (5, 2), (4, 8), (1, 3), (3, 0)])
def test_every_picture_is_drawn_once_before_any_is_drawn_again(pictures: int, count: int) -> None:
    order = drawn(pictures, count, rng())
    assert len(order) == count
    for first in range(0, count, pictures):
        part = order[first : first + pictures]
        assert len(set(part)) == len(part) and set(part) <= set(range(pictures))


def test_of_no_pictures_none_is_drawn() -> None:
    assert drawn(0, 5, rng()) == []


def test_a_picture_is_turned_all_eight_ways() -> None:
    source, picture = rng(), np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    found = Counter((made.shape, made.tobytes()) for made in (turned(picture, source) for _ in range(200)))
    assert len(found) == 8 and min(found.values()) > 8
    assert all(sorted(pixels) == list(range(18)) for _, pixels in found)


def test_a_small_picture_is_mirrored_and_a_large_one_left() -> None:
    picture = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    made = at_least(picture, 4)
    assert made.shape == (4, 5, 3)
    assert np.array_equal(made[:3], picture) and np.array_equal(made[3], picture[2])
    assert at_least(picture, 3) is picture


def test_half_of_the_pictures_are_enlarged_parts_of_the_same_size() -> None:
    source, picture = rng(), np.arange(40, dtype=np.uint8)[None, :, None].repeat(30, 0).repeat(3, 2)
    made = [zoomed(picture, 3.0, source) for _ in range(200)]
    assert all(one.shape == picture.shape and one.dtype == np.uint8 for one in made)
    own = [one is picture for one in made]
    assert 70 < sum(own) < 130
    spans = [int(one[0, :, 0].max()) - int(one[0, :, 0].min()) for one in made]
    assert min(spans) < 16 and all(12 <= span <= 39 for span in spans)  # a third of the width at the least


def test_without_zoom_every_picture_is_itself_and_no_chance_is_used() -> None:
    source, picture = rng(), np.zeros((4, 5, 3), np.uint8)
    assert zoomed(picture, 1.0, source) is picture
    assert source.random() == rng().random()


def test_a_picture_of_one_pixel_can_be_enlarged() -> None:
    source, picture = rng(), np.full((1, 1, 3), 7, np.uint8)
    assert all(np.array_equal(zoomed(picture, 8.0, source), picture) for _ in range(20))
