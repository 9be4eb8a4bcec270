"""The learnt enhancer and upscaler: seamless, grey and RGB, set to the picture, refusing what they cannot."""

import cv2
import numpy as np
import pytest
import torch

from pipeline import paths
from pipeline.archive.tiling import Grid, run_tiles
from pipeline.errors import PentimentoError, StepFailed
from pipeline.models.registry import build, save_model
from pipeline.restoration.methods.classical import lanczos
from pipeline.restoration.methods.interface import Preview
from pipeline.restoration.methods.learnt_enhancer import LEAST_NOISE, LearntEnhancer, LearntUpscaler
from pipeline.training.enhancer import bicubic

SIZES = {"enhancer": {"widths": [8, 8], "blocks": [1, 1]}, "upscaler": {"scale": 2, "width": 8, "blocks": 1}}


@pytest.fixture
def saved(tmp_path):
    def save(architecture):
        torch.manual_seed(0)
        network = build(architecture, SIZES[architecture])
        with torch.no_grad():
            for weights in network.parameters():
                if not weights.any():
                    weights.normal_(0, 0.05)
        save_model(tmp_path / architecture, network.half(), architecture, SIZES[architecture], {})
        return tmp_path / architecture

    return save


def scene(height=72, width=104, channels=3, seed=0):
    values = np.random.default_rng(seed).uniform(0.3, 0.7, (height, width, channels))
    return values.astype(np.float32)


def look(pixels, luma_step=None):
    return Preview(pixels, (pixels,), luma_step)


def weave(channels=3):
    """Threads five pixels apart, both ways, strong enough to be estimated as noise."""
    y, x = np.mgrid[:128, :128] * (2 * np.pi / 5)
    threads = 0.5 + 0.12 * np.sin(x) * np.sin(y)
    return np.repeat(threads[..., None], channels, axis=2).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_is_measured_and_the_picture_changed(saved, channels):
    enhancer = LearntEnhancer(saved("enhancer"), "torch")
    pixels = np.full((64, 64, channels), 0.5, np.float32)
    pixels += np.random.default_rng(0).normal(0, 0.08, pixels.shape).astype(np.float32)
    tuned = enhancer.tuned(look(pixels))
    assert tuned.sigma == pytest.approx(0.08, rel=0.2) and enhancer.sigma == 0
    result = tuned(pixels)
    assert result.shape == pixels.shape and result.dtype == np.float32 and (result != pixels).any()


def test_a_picture_that_needs_nothing_comes_back_bit_for_bit(saved):
    enhancer = LearntEnhancer(saved("enhancer"), "torch")
    clean = np.linspace(0.2, 0.8, 64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3)
    tuned = enhancer.tuned(look(clean))
    assert tuned.sigma < LEAST_NOISE and tuned(clean) is clean
    ink = np.zeros((8, 8, 4), np.float32)
    assert enhancer.tuned(look(ink))(ink) is ink


@pytest.mark.parametrize("channels", [1, 3])
def test_texture_is_left_alone_and_noise_on_it_is_not(saved, channels):
    enhancer, canvas = LearntEnhancer(saved("enhancer"), "torch"), weave(channels)
    tuned = enhancer.tuned(look(canvas))
    assert tuned.sigma >= LEAST_NOISE and tuned.texture and tuned.level == 0
    assert tuned.judged["texture"] and tuned.judged["level"] == 0 < tuned.judged["noise"]
    assert tuned(canvas) is canvas
    noisy = canvas + np.random.default_rng(0).normal(0, 0.15, canvas.shape).astype(np.float32)
    tuned = enhancer.tuned(look(noisy))
    assert not tuned.texture and tuned.level == tuned.sigma > 0.1
    given = LearntEnhancer(saved("enhancer"), "torch", sigma=0.1)
    assert given.tuned(look(canvas)).level == 0.1


@pytest.mark.parametrize("channels", [1, 3])
def test_the_table_of_a_jpeg_says_what_is_to_be_taken_away(saved, channels):
    enhancer = LearntEnhancer(saved("enhancer"), "torch")
    smooth = np.full((64, 64, channels), 0.5, np.float32)
    assert enhancer.tuned(look(smooth, 8.0))(smooth) is smooth
    tuned = enhancer.tuned(look(smooth, 12.0))
    assert tuned.level == pytest.approx(2 / 255) and tuned.sigma < LEAST_NOISE
    assert tuned.judged["jpeg"] == tuned.judged["level"] == 2
    assert (tuned(smooth) != smooth).any() and enhancer.level == 0
    canvas = weave(channels)
    assert enhancer.tuned(look(canvas, 12.0)).level == pytest.approx(2 / 255)
    noisy = smooth + np.random.default_rng(0).normal(0, 0.08, smooth.shape).astype(np.float32)
    assert enhancer.tuned(look(noisy, 12.0)).level == enhancer.tuned(look(noisy)).level > 0.06


def test_the_table_counts_neither_for_ink_nor_where_a_level_is_given(saved):
    ink = np.full((64, 64, 4), 0.5, np.float32)
    assert LearntEnhancer(saved("enhancer"), "torch").tuned(look(ink, 40.0))(ink) is ink
    given = LearntEnhancer(saved("enhancer"), "torch", sigma=0.0).tuned(look(scene(), 40.0))
    assert given.level == 0


def test_a_given_level_is_kept_whatever_the_picture(saved):
    enhancer = LearntEnhancer(saved("enhancer"), "torch", sigma=0.1)
    assert enhancer.tuned(look(np.zeros((64, 64, 3), np.float32))).sigma == 0.1
    with pytest.raises(ValueError, match="deviation of"):
        LearntEnhancer(saved("enhancer"), "torch", sigma=-1.0)


def test_colours_are_judged_on_the_overview_and_given_back_after_denoising(saved):
    class Colour:
        def tuned(self, overview):
            self.seen = overview
            return lambda pixels: pixels / 2

    colour = Colour()
    pixels = scene()
    plain = LearntEnhancer(saved("enhancer"), "torch", sigma=0.1)
    both = LearntEnhancer(saved("enhancer"), "torch", sigma=0.1, colour=colour).tuned(look(pixels))
    assert colour.seen is pixels
    cleaned = np.clip(plain.tuned(look(pixels))(pixels), 0, 1)
    assert np.allclose(both(pixels), cleaned / 2, atol=1e-6)
    grey = scene(channels=1)
    assert both.tuned(look(grey)).colours is None


@pytest.mark.parametrize("architecture", ["enhancer", "upscaler"])
def test_tiles_leave_no_seam(saved, architecture):
    folder = saved(architecture)
    method = (
        LearntEnhancer(folder, "torch", sigma=0.1)
        if architecture == "enhancer"
        else LearntUpscaler(folder, "torch")
    )
    method = method.tuned(look(scene()))
    pixels = scene(112, 160)
    whole = method(pixels)
    tiled = np.empty_like(whole)

    def work(tile):
        rows, columns = (slice(s.start * method.scale, s.stop * method.scale) for s in tile.inner)
        window = pixels[tile.window]
        lacking = [(0, -length % method.multiple) for length in window.shape[:2]]
        return method(np.pad(window, (*lacking, (0, 0)), mode="symmetric"))[rows, columns]

    grid = Grid(48, method.reach, method.multiple, blend=8)
    run_tiles(pixels.shape, grid, work, tiled.__setitem__, method.scale)
    assert np.abs(tiled - whole).max() < 1e-5


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_enlarged_is_lanczos_and_what_the_network_adds(saved, channels):
    upscaler = LearntUpscaler(saved("upscaler"), "torch")
    pixels = scene(channels=channels)
    assert upscaler.scale == 2 and upscaler.tuned(look(pixels)) is upscaler
    large = upscaler(pixels)
    assert large.shape == (144, 208, channels)
    assert (large != lanczos(pixels, 2)).any()


def test_a_new_upscaler_is_lanczos(tmp_path):
    save_model(tmp_path, build("upscaler", SIZES["upscaler"]), "upscaler", SIZES["upscaler"], {})
    pixels = scene()
    assert np.array_equal(LearntUpscaler(tmp_path, "torch")(pixels), lanczos(pixels, 2))


@pytest.mark.slow
def test_engines_agree(saved):
    pixels = scene()
    for made, architecture in ((LearntEnhancer, "enhancer"), (LearntUpscaler, "upscaler")):
        folder = saved(architecture)
        results = []
        for engine in ("torch", "onnx"):
            method = made(folder, engine)
            method.sigma = 0.1
            results.append(method(pixels))
            assert method.engine == f"{engine} fp32" and method.libraries
        assert np.abs(results[0] - results[1]).max() < 1e-5


def test_ink_is_refused_and_a_folder_of_another_kind(saved):
    enhancer, upscaler = saved("enhancer"), saved("upscaler")
    with pytest.raises(StepFailed, match="knows grey and RGB, not 4 channels"):
        LearntUpscaler(upscaler, "torch")(scene(channels=4))
    with pytest.raises(PentimentoError, match="holds a 'upscaler', not an enhancer"):
        LearntEnhancer(upscaler, "torch")
    with pytest.raises(PentimentoError, match="holds a 'enhancer', not an upscaler"):
        LearntUpscaler(enhancer, "torch")


def test_a_result_of_another_shape_is_a_failed_step(saved):
    method = LearntUpscaler(saved("upscaler"), "torch")

    class Session:
        def run(self, *arrays):
            return np.zeros((1, 3, 4, 4), np.float32)

    method.session = Session()
    with pytest.raises(StepFailed, match=r"is \(1, 3, 4, 4\), not \(1, 3, 144, 208\)"):
        method(scene())


def ornament(period, size=96):
    """Gold on red, in knots so many pixels apart, as brocade is in a fine scan."""
    y, x = np.mgrid[:size, :size] * (2 * np.pi / period)
    gold = (np.cos(x) * np.cos(y) + 0.5 * np.cos(2 * x) * np.cos(y) > 0.1).astype(np.float32)
    soft = cv2.GaussianBlur(gold, (0, 0), 0.8)[..., None]
    return soft * np.float32([0.75, 0.6, 0.3]) + (1 - soft) * np.float32([0.35, 0.12, 0.08])


@pytest.mark.parametrize("period", [6, 8, 12, 16, 24])
def test_the_shipped_weights_do_not_take_an_ornament_for_noise(period):
    truth, sigma = ornament(period), 15 / 255
    noise = np.random.default_rng(period).normal(0, sigma, truth.shape).astype(np.float32)
    enhancer = LearntEnhancer(paths.PRETRAINED / "enhancer", "torch", sigma=sigma).tuned(look(truth))
    before, after = (np.square(pixels - truth).mean() for pixels in (truth + noise, enhancer(truth + noise)))
    assert after < 0.5 * before  # noise is taken away, the ornament stays


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("period", [24, 32])
def test_the_shipped_weights_enlarge_an_ornament_4_db_better_than_lanczos(scale, period):
    truth = ornament(period, 192)
    small = bicubic(truth, 192 // scale, 192 // scale)
    upscaler = LearntUpscaler(paths.PRETRAINED / f"upscaler_x{scale}", "torch")
    learnt, plain = (np.square(made - truth).mean() for made in (upscaler(small), lanczos(small, scale)))
    assert learnt < 0.4 * plain
