"""Holes of any size, in pictures of any size: the same bytes whatever the tiles, and no seams."""

import numpy as np
import pytest

from pipeline.archive.canvas import Canvas
from pipeline.archive.tiling import BLEND
from pipeline.errors import ItemError
from pipeline.restoration.methods.fill import fillers
from pipeline.restoration.methods.interface import FillFailed
from pipeline.restoration.work.filling import Account, fill
from tests.conftest import kit, painting

WHOLE = 10**9


def filled(pixels, hole, tmp_path, account=None, in_memory=WHOLE, colours=None, **options):
    height, width, channels = pixels.shape
    everything = slice(0, height), slice(0, width)
    colours = colours or min(channels, 3)
    with (
        Canvas(pixels.shape, pixels.dtype, colours, tmp_path, in_memory) as canvas,
        Canvas((height, width, 1), np.uint8, 1, tmp_path, in_memory) as mask,
    ):
        canvas.write(everything, pixels)
        mask.write(everything, hole[..., None].astype(np.uint8) * 255)
        tools = kit(**options)
        (link,) = tools.links("masked pixels")
        fill(canvas, mask, link.method, link.fallback, tools.settings.tile, account or Account())
        return canvas.read(everything)


def cracks_and_losses(height, width):
    hole = np.zeros((height, width), np.bool_)
    for step in range(900):
        hole[200 + step // 3 : 203 + step // 3, 40 + step] = True  # through many tiles
    for top, left in ((100, 240), (250, 500), (500, 740), (30, 1000)):  # across borders of cells
        hole[top : top + 40, left : left + 30] = True
    return hole


@pytest.mark.parametrize("method", ["telea", "navier_stokes", "biharmonic", "tension"])
def test_the_bytes_do_not_depend_on_tiles_or_on_where_pixels_are_kept(method, tmp_path):
    pixels = painting(3, 620, 1100)
    hole = cracks_and_losses(620, 1100)
    options = {"thin": fillers()[method], "wide": fillers()[method]}
    results = [
        filled(pixels, hole, tmp_path, in_memory=in_memory, tile=tile, **options)
        for tile, in_memory in ((2048, WHOLE), (256, WHOLE), (384, 0))
    ]
    differing = [np.count_nonzero((other != results[0]).any(axis=2)) for other in results[1:]]
    # A crack that goes through many tiles is cut by each of them, far from where it is used.
    assert differing == [0, 0] if method == "telea" else max(differing) <= 0.002 * hole.sum()
    for result in results:
        assert np.array_equal(result[~hole], pixels[~hole])
        assert not np.array_equal(result[hole], pixels[hole])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "allowed"), [("telea", 1), ("navier_stokes", 1), ("biharmonic", 16), ("tension", 16)]
)
def test_a_hole_larger_than_a_tile_is_of_one_piece(method, allowed, tmp_path):
    rows, columns = np.mgrid[:400, :700].astype(np.float64)
    grain = np.random.default_rng(0).normal(0, 500, (400, 700, 1))
    pixels = (30000 + 15000 * np.sin(rows / 200) + 9000 * np.cos(columns / 170))[..., None] + grain
    pixels = pixels.clip(0, 65535).astype(np.uint16)
    hole = np.zeros((400, 700), np.bool_)
    # Slanted all round: of a straight edge, tiles would guess rightly what they are not shown.
    hole[((rows - 195) / 150) ** 2 + ((columns - 350) / 300) ** 2 < 1] = True
    filler = fillers()[method]
    results, gradients = [], []
    for tile in (256, 2048):
        account = Account()
        result = filled(pixels, hole, tmp_path, account, tile=tile, thin=filler, wide=filler)
        assert account.deep > 20_000 and not account.fallbacks
        assert np.array_equal(result[~hole], pixels[~hole])
        results.append(result.astype(float))
        gradients.append([_gradient(result[..., 0], hole), _gradient(result[..., 0].T, hole.T)])
    assert np.abs(results[0] - results[1]).max() <= allowed  # of 65535
    # In one piece there is no border: what a border adds to the gradient is a seam.
    for parted, whole, borders in zip(*gradients, ((256, 512), (256,)), strict=True):
        for offset in (-BLEND, 0, BLEND):  # where rims begin, where cells meet, where rims end
            places = np.array(borders) - 1 + offset
            ratio = parted[places] / whole[places]
            assert (ratio > 0.98).all() and (ratio < 1.02).all()


def _gradient(values, hole):
    """The mean step to the next column, by column, where both pixels were filled."""
    steps = np.abs(np.diff(values.astype(float), axis=1))
    return np.ma.masked_array(steps, ~(hole[:, 1:] & hole[:, :-1])).mean(axis=0).filled(np.nan)


def test_a_streaky_method_passes_into_the_deep_part_without_an_edge(tmp_path):
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(60, 200, (28, 35, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    hole = np.zeros(pixels.shape[:2], np.bool_)
    hole[80:480, 80:620] = True
    result = filled(pixels, hole, tmp_path, tile=1024, wide=fillers()["telea"]).astype(float)
    edge = 80 + 96  # where the deep part begins
    steps = np.abs(np.diff(result[:, 300:400], axis=0)).mean(axis=(1, 2))
    assert steps[edge - 3 : edge + 3].max() < 1.5


def test_alpha_ink_and_depth_are_kept(tmp_path):
    rng = np.random.default_rng(0)
    hole = np.zeros((90, 300), np.bool_)
    hole[40:43, 10:290] = True
    for dtype, channels, colours in ((np.uint8, 4, 3), (np.uint16, 2, 1), (np.uint16, 4, 4)):
        pixels = rng.integers(0, np.iinfo(dtype).max, (90, 300, channels), dtype, endpoint=True)
        result = filled(pixels, hole, tmp_path, colours=colours, in_memory=0)
        assert np.array_equal(result[~hole], pixels[~hole])
        assert np.array_equal(result[..., colours:], pixels[..., colours:])
        assert (result[hole, :colours] != pixels[hole, :colours]).any(axis=1).mean() > 0.9


class Sometimes:
    """Fails on windows that hold the picture's left side."""

    name, reach = "sometimes", 5

    def __call__(self, pixels, mask, wanted=None):
        if (pixels[:, 0] == 1).any():
            raise FillFailed("not here")
        return np.where(mask[..., None], np.float32(0.25), pixels)


def test_only_the_tiles_where_a_method_fails_are_filled_by_the_fallback(tmp_path):
    pixels = np.full((100, 1000, 3), 100, np.uint8)
    pixels[:, 0] = 255
    hole = np.zeros((100, 1000), np.bool_)
    hole[50:52, 10:990] = True
    account = Account()
    result = filled(pixels, hole, tmp_path, account, tile=256, thin=Sometimes())
    assert (result[50:52, 10:200] == 100).all() and (result[50:52, 400:990] == 64).all()
    assert account.fallbacks == ["sometimes -> telea: not here"]
    counts = account.as_dict()["methods"]["thin"]["pixels_by_method"]
    assert set(counts) == {"sometimes", "telea"} and sum(counts.values()) == hole.sum()


class Spy:
    """Fills with one value and remembers what it was shown."""

    name, reach = "spy", 5

    def __init__(self):
        self.areas = []

    def __call__(self, pixels, mask, wanted=None):
        self.areas.append(mask.size)
        return np.where(mask[..., None], np.float32(0.5), pixels)


def test_the_cost_follows_the_damage(tmp_path):
    spy = Spy()
    hole = np.zeros((900, 1200), np.bool_)
    hole[110:114, 110:114] = True
    filled(np.zeros((900, 1200, 3), np.uint8), hole, tmp_path, thin=spy, tile=1024)
    assert len(spy.areas) == 1 and spy.areas[0] < 300 * 300


def test_a_picture_that_no_method_can_fill_is_refused(tmp_path):
    hole = np.ones((80, 80), np.bool_)
    with pytest.raises(ItemError, match="cannot be filled: telea: every pixel is masked"):
        filled(np.zeros((80, 80, 3), np.uint8), hole, tmp_path)
