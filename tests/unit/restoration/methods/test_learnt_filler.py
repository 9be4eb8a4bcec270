"""The learnt filler: seamless, grey and RGB, and refusing what it cannot do."""

import numpy as np
import pytest
import torch

from pipeline.errors import PentimentoError, StepFailed
from pipeline.models.registry import build, load_model, save_model
from pipeline.models.surroundings import REACH
from pipeline.restoration.methods import learnt_filler as learnt
from pipeline.restoration.methods.fill import fillers
from pipeline.restoration.methods.interface import FillFailed
from pipeline.restoration.methods.learnt_filler import LearntFiller, refine

SIZES = {"widths": [8, 8], "blocks": 1, "dilations": [1]}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    network = build("residual_unet", SIZES)
    with torch.no_grad():
        for weights in network.parameters():
            if not weights.any():
                weights.normal_(0, 0.05)
    save_model(tmp_path / "restorer", network, "residual_unet", SIZES, {"start": "navier_stokes"})
    return tmp_path / "restorer"


def scene(height=75, width=101, channels=3):
    rng = np.random.default_rng(0)
    pixels = rng.uniform(0.3, 0.7, (height, width, channels)).astype(np.float32)
    mask = rng.random((height, width)) < 0.05
    mask[20:30, 40:60] = True
    return pixels, mask


@pytest.mark.parametrize("channels", [1, 3])
def test_holes_are_refined_and_nothing_else_changes(folder, channels):
    pixels, mask = scene(channels=channels)
    filler = LearntFiller(folder)
    filled = filler(pixels, mask)
    start = fillers()["navier_stokes"](pixels, mask)
    assert filler.name == "learnt" and filled.shape == pixels.shape
    assert np.array_equal(filled[~mask], pixels[~mask])
    assert (filled != start)[mask].mean() > 0.9
    assert filled.min() >= 0 and filled.max() <= 1


def test_tiles_leave_no_seam(folder, monkeypatch):
    pixels, mask = scene(140, 180)
    filler = LearntFiller(folder)
    whole = filler(pixels, mask)
    monkeypatch.setattr(learnt, "_BLOCK", 16)
    monkeypatch.setattr(learnt, "_LARGEST", 32)
    assert np.abs(filler(pixels, mask) - whole).max() < 1e-5


def test_a_tile_is_no_larger_than_its_holes_and_the_reach(folder):
    filler = LearntFiller(folder)
    seen = []
    start = np.full((600, 700, 3), 0.5, np.float32)
    mask = np.zeros((600, 700), bool)
    mask[300:304, 300:310] = True
    refine(lambda picture, _: seen.append(picture.shape) or picture, start, mask, filler.multiple, 40)
    side = 2 * 40 + 10 + 2 * filler.multiple + learnt._SIDES
    assert len(seen) == 1 and max(seen[0][2:]) <= side
    assert not any(length % learnt._SIDES for length in seen[0][2:])


def test_holes_that_lie_apart_are_seen_apart_and_each_once(folder):
    filler = LearntFiller(folder)
    sizes = []

    def double(picture, _):
        sizes.append(picture.shape[2] * picture.shape[3])
        return picture * 2

    start = np.full((1100, 1300, 3), 0.25, np.float32)
    mask = np.random.default_rng(0).random((1100, 1300)) < 0.00002
    mask[20:30, 20:30] = mask[900:1000, 1200:1290] = True
    result = refine(double, start, mask, filler.multiple, 40)
    assert (result[mask] == 0.5).all()
    assert sum(sizes) < mask.size / 2
    mask[:] = np.random.default_rng(0).random(mask.shape) < 0.01
    sizes.clear()
    assert (refine(double, start, mask, filler.multiple, 40)[mask] == 0.5).all()
    assert sum(sizes) < 1.4 * mask.size


@pytest.mark.parametrize("height", [4, 8])
def test_a_result_of_another_shape_or_a_failing_engine_is_a_failed_filling(height):
    pixels, mask = scene(32, 32)
    with pytest.raises(FillFailed, match=r"shape is \(1, 3, \d, 4\), not \(1, 3, 32, 32\)"):
        refine(lambda *_: np.zeros((1, 3, height, 4), np.float32), pixels, mask, 8, 16)

    def give_up(*_):
        raise StepFailed("torch: no memory")

    with pytest.raises(FillFailed, match="no memory"):
        refine(give_up, pixels, mask, 8, 16)


def test_it_says_what_it_runs_on(folder):
    filler = LearntFiller(folder, "torch")
    assert filler.engine == "torch fp32" and filler.libraries == ("torch",)
    assert filler.reach == filler.network_reach + REACH + filler.start.reach


def test_pictures_that_are_not_grey_or_rgb_are_refused(folder):
    pixels, mask = scene(channels=4)
    with pytest.raises(FillFailed, match="not 4 channels"):
        LearntFiller(folder)(pixels, mask)


@pytest.mark.parametrize(("value", "reason"), [(float("nan"), "not finite"), (1e4, "out of range")])
def test_a_broken_network_is_found_out(folder, value, reason):
    network, card = load_model(folder)
    with torch.no_grad():
        network.head.bias.fill_(value)
    save_model(folder, network, "residual_unet", SIZES, {"start": card["start"]})
    with pytest.raises(FillFailed, match=reason):
        LearntFiller(folder)(*scene())


def test_no_holes_need_no_network(folder):
    pixels, mask = scene()
    filled = LearntFiller(folder)(pixels, np.zeros_like(mask))
    assert np.array_equal(filled, pixels) and filled is not pixels


def test_half_precision_weights_are_read_as_they_are(folder, tmp_path):
    network, _ = load_model(folder)
    save_model(tmp_path / "half", network.half(), "residual_unet", SIZES, {"start": "telea"})
    pixels, mask = scene()
    assert np.isfinite(LearntFiller(tmp_path / "half")(pixels, mask)).all()


def test_another_model_is_refused(tmp_path):
    sizes = {"inputs": 4, "outputs": 2}
    save_model(tmp_path / "head", build("linear_head", sizes), "linear_head", sizes, {})
    with pytest.raises(PentimentoError, match="holds a 'linear_head', not a restorer"):
        LearntFiller(tmp_path / "head")


@pytest.mark.parametrize("card", [{}, {"start": None}, {"start": ["telea"]}, {"start": "magic"}])
def test_a_card_without_a_known_start_is_refused(tmp_path, card):
    save_model(tmp_path / "x", build("residual_unet", SIZES), "residual_unet", SIZES, card)
    with pytest.raises(PentimentoError, match="names no known start"):
        LearntFiller(tmp_path / "x")
