"""Whole pictures through a method: clean ones come back as they were, failures are taken over."""

import numpy as np
import pytest

from pipeline.archive.canvas import Canvas
from pipeline.errors import ItemError
from pipeline.restoration.methods.classical import Lanczos, LevelsAndDenoise
from pipeline.restoration.work.enhancing import improve
from tests.conftest import painting


def improved(pixels, tmp_path, method, fallback=None, side=256, colours=3, in_memory=10**9):
    height, width, channels = pixels.shape
    scale = method.scale
    larger = (height * scale, width * scale, channels)
    with (
        Canvas(pixels.shape, pixels.dtype, colours, tmp_path, in_memory) as canvas,
        Canvas(larger, pixels.dtype, colours, tmp_path, in_memory) as out,
    ):
        canvas.write((slice(0, height), slice(0, width)), pixels)
        done = improve(canvas, out, method, fallback or method, side)
        return out.read((slice(0, larger[0]), slice(0, larger[1]))), done


def clean():
    rows, columns = np.mgrid[:300, :420].astype(float)
    values = np.stack([rows / 299, columns / 419, (rows + columns) / 718], axis=2)
    return (values * 255).round().astype(np.uint8)


def test_a_clean_picture_comes_back_bit_for_bit(tmp_path):
    for pixels in (clean(), clean().astype(np.uint16) * 257):
        result, done = improved(pixels, tmp_path, LevelsAndDenoise())
        assert not done.changed and np.array_equal(result, pixels)


def test_noise_is_taken_away_and_no_seam_is_left(tmp_path):
    truth = clean()
    noisy = truth + np.random.default_rng(0).normal(0, 15, truth.shape)
    noisy = noisy.clip(0, 255).astype(np.uint8)
    result, done = improved(noisy, tmp_path, LevelsAndDenoise())
    assert done.changed
    error, before = (np.square(values.astype(float) - truth).mean() for values in (result, noisy))
    assert error < before / 4
    whole, _ = improved(noisy, tmp_path, LevelsAndDenoise(), side=1024)
    assert np.abs(result.astype(int) - whole).max() <= 1


def test_noisy_grey_pictures_are_cleaned_too(tmp_path):
    truth = clean()[..., :1]
    noisy = (truth + np.random.default_rng(0).normal(0, 15, truth.shape)).clip(0, 255).astype(np.uint8)
    result, done = improved(noisy, tmp_path, LevelsAndDenoise(), colours=1)
    error, before = (np.square(values.astype(float) - truth).mean() for values in (result, noisy))
    assert done.changed and error < before / 3


def test_faded_contrast_is_given_back_and_no_hue_is_changed(tmp_path):
    truth = clean().astype(float)
    faded = (60 + truth * 0.5).astype(np.uint8)
    result, done = improved(faded, tmp_path, LevelsAndDenoise())
    assert done.changed
    for channel in range(3):
        before, after = np.ptp(faded[..., channel]), np.ptp(result[..., channel])
        assert after > 1.3 * before
    black_and_white = improved(
        faded.mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8), tmp_path, LevelsAndDenoise()
    )[0]
    assert np.ptp(black_and_white, axis=2).max() == 0
    assert np.abs(result - truth).mean() < np.abs(faded - truth).mean()


@pytest.mark.parametrize("scale", [2, 4])
def test_a_larger_picture_is_the_one_that_the_whole_would_give(scale, tmp_path):
    pixels = painting(2, 150, 330)
    tiles, done = improved(pixels, tmp_path, Lanczos(scale), side=256 * scale, in_memory=0)
    whole, _ = improved(pixels, tmp_path, Lanczos(scale), side=4096)
    assert done.changed and tiles.shape == (150 * scale, 330 * scale, 3)
    assert np.abs(tiles.astype(int) - whole).max() <= 1


def test_alpha_is_kept_and_grows_with_the_picture(tmp_path):
    pixels = np.dstack([painting(1, 60, 80), np.full((60, 80), 77, np.uint8)])
    larger, _ = improved(pixels, tmp_path, Lanczos(2))
    assert (larger[..., 3] == 77).all()
    noisy, done = improved(pixels, tmp_path, LevelsAndDenoise())
    assert (noisy[..., 3] == 77).all() and done.method == "levels and non-local means"


class Broken:
    """Gives what no picture can hold, in tiles that begin at the left."""

    name, reach, scale, multiple, judged = "broken", 4, 1, 8, {}

    def tuned(self, look):
        return self

    def __call__(self, pixels):
        assert pixels.shape[0] % 8 == pixels.shape[1] % 8 == 0
        if pixels[:, 0].min() == 0:
            return np.full_like(pixels, np.nan)
        return pixels * 0.5


class Same(Broken):
    name = "same"

    def __call__(self, pixels):
        return pixels


def test_a_tile_that_fails_is_done_by_the_fallback_and_it_is_said(tmp_path):
    pixels = np.full((100, 700, 3), 200, np.uint8)
    pixels[:, 0] = 0
    result, done = improved(pixels, tmp_path, Broken(), Same())
    assert (result[:, 1:200] == 200).all() and (result[:, 400:] == 100).all()
    assert done.fallbacks == ["broken -> same: the result of broken is not finite"]


def test_a_result_of_a_wrong_size_counts_as_a_failure(tmp_path):
    class Small(Same):
        name = "small"

        def __call__(self, pixels):
            return pixels[::2]

    _, done = improved(np.zeros((64, 64, 3), np.uint8), tmp_path, Small(), Same())
    assert "small -> same: the result of small is (32, 64, 3), not (64, 64, 3)" in done.fallbacks
    with pytest.raises(ItemError, match="cannot be improved: small: the result of small is"):
        improved(np.zeros((64, 64, 3), np.uint8), tmp_path, Small(), Small())
