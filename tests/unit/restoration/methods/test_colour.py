"""Colours given back by curves that are estimated once for the whole picture."""

import numpy as np
import pytest
import torch

from pipeline.errors import PentimentoError
from pipeline.models.registry import build, save_model
from pipeline.restoration.methods.colour import ColourMap, ColourModel, difference
from tests.conftest import painting

SIZES = {"widths": [8, 8], "histogram_widths": [8, 8], "hidden": 8}


def save(folder, bias=0.0, **card):
    """A model that answers every picture alike: with a gain of e ** bias."""
    torch.manual_seed(0)
    network = build("colour_net", SIZES)
    with torch.no_grad():
        network.head.bias[[2, 6, 10]] = bias
    save_model(folder, network, "colour_net", SIZES, {"least_change": 0.5} | card)
    return folder


def picture(seed=1, height=60, width=90):
    return painting(seed, height, width).astype(np.float32) / np.float32(255)


def test_a_map_is_a_point_operation_so_that_windows_cannot_differ():
    curves = np.linspace(0, 1, 9, dtype=np.float32) ** np.array([[1.0], [2.0], [0.5]], np.float32)
    pixels = picture()
    whole = ColourMap(curves)(pixels)
    assert np.array_equal(ColourMap(curves)(pixels[10:30, 40:]), whole[10:30, 40:])
    assert np.allclose(whole[..., 0], pixels[..., 0], atol=1e-6)
    assert whole.dtype == np.float32 and whole.min() >= 0 and whole.max() <= 1


def test_the_identity_gives_back_the_very_pixels_of_any_channels():
    for channels in (1, 3, 4):
        pixels = np.zeros((4, 5, channels), np.float32)
        assert ColourMap()(pixels) is pixels
    assert ColourMap().identity


def test_curves_for_rgb_refuse_other_channels():
    with pytest.raises(PentimentoError, match="4 channels"):
        ColourMap(np.zeros((3, 9), np.float32))(np.zeros((4, 5, 4), np.float32))


def test_a_network_that_sees_nothing_to_do_changes_nothing(tmp_path):
    assert ColourModel(save(tmp_path), "torch").tuned(picture()).identity


def test_what_the_network_answers_becomes_the_map(tmp_path):
    found = ColourModel(save(tmp_path, bias=0.3), "torch").tuned(picture() * np.float32(0.7))
    assert not found.identity
    assert np.all(np.diff(found.curves, axis=1) >= 0) and found.curves.min() >= 0 and found.curves.max() <= 1
    assert found(picture() * np.float32(0.7)).mean() > 1.1 * 0.7 * picture().mean()


def test_a_change_below_the_least_one_is_left_undone(tmp_path):
    pixels = picture() * np.float32(0.7)
    assert ColourModel(save(tmp_path, bias=0.3, least_change=50), "torch").tuned(pixels).identity


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_ink_are_left_as_they_are(tmp_path, channels):
    model = ColourModel(save(tmp_path, bias=0.3), "torch")
    assert model.tuned(np.full((20, 30, channels), 0.4, np.float32)).identity


def test_a_grey_picture_saved_as_rgb_stays_grey(tmp_path):
    model = ColourModel(save(tmp_path, bias=0.3), "torch")
    assert model.tuned(picture().mean(axis=2, keepdims=True).repeat(3, axis=2)).identity


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3)])
def test_tiny_overviews_are_no_trouble(tmp_path, shape):
    pixels = np.random.default_rng(0).random(shape, np.float32)
    ColourModel(save(tmp_path, bias=0.3), "torch").tuned(pixels)


@pytest.mark.slow
def test_onnx_answers_as_torch_does(tmp_path):
    save(tmp_path, bias=0.3)
    pixels = picture() * np.float32(0.7)
    one, two = (ColourModel(tmp_path, engine).tuned(pixels) for engine in ("torch", "onnx"))
    assert np.allclose(one.curves, two.curves, atol=1e-4)


def test_another_model_or_a_card_without_its_threshold_is_refused(tmp_path):
    save(tmp_path / "a", least_change="much")
    with pytest.raises(PentimentoError, match="least_change is 'much'"):
        ColourModel(tmp_path / "a", "torch")
    other = {"widths": [8, 8], "blocks": 1, "dilations": [1]}
    save_model(tmp_path / "b", build("residual_unet", other), "residual_unet", other, {})
    with pytest.raises(PentimentoError, match="not a model of colours"):
        ColourModel(tmp_path / "b", "torch")


def test_the_difference_is_nought_for_equal_pictures():
    assert difference(picture(), picture()) == 0
    assert difference(picture(), picture() * np.float32(0.5)) > 5
