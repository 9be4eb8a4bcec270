"""The blind benchmark: what it counts, on tiny paintings and detectors that know the truth."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import painting


@pytest.fixture(scope="module")
def blind():
    folder = Path(__file__).parents[2] / "benchmarks"
    spec = importlib.util.spec_from_file_location("blind", folder / "blind.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # it shares code with other benchmarks
        spec.loader.exec_module(module)
    return module


@pytest.fixture
def patterns(tmp_path):
    pattern = np.full((40, 50), 255, np.uint8)
    pattern[10] = pattern[:, 20] = 0
    Image.fromarray(pattern).save(tmp_path / "one.png")
    return [tmp_path / "one.png"]


def test_precision_recall_and_what_one_pixel_forgives(blind):
    truth, found = np.zeros((2, 20, 20), bool)
    truth[5, 2:12] = found[6, 2:12] = True
    found[5, 2:7] = True
    figures = blind.compare(found, truth)
    assert figures["precision"] == pytest.approx(1 / 3) and figures["recall"] == 0.5
    assert figures["f1"] == pytest.approx(0.4) and figures["f1_soft"] == 1
    nothing = np.zeros_like(truth)
    assert set(blind.compare(nothing, truth).values()) == {0.0}


@pytest.mark.parametrize("shape", [(60, 130, 3), (30, 20, 3)])
def test_a_pattern_covers_the_whole_picture(blind, patterns, shape):
    laid = blind._laid(patterns[0], shape, np.random.default_rng(0))
    assert laid.shape == shape[:2] and 0.01 < laid.mean() < 0.3


def test_patterns_are_laid_as_paint_that_shows(blind, patterns):
    clean = np.full((60, 70, 3), 0.5, np.float32)
    for kind, darker in zip(blind.PATTERNS, (True, False), strict=True):
        damaged, mask = blind._damaged(clean, kind, patterns, np.random.default_rng(0))
        assert np.array_equal((damaged != clean).any(axis=2), mask) and mask.any()
        assert ((damaged < clean)[mask] == darker).all()


@pytest.mark.slow
def test_a_detector_that_knows_the_truth_gains_and_one_that_sees_nothing_does_not(blind, patterns):
    clean = painting(0, 64, 64)
    truth = clean.astype(np.float32) / 255

    class Knows:
        name, reach = "knows", 0

        def __call__(self, pixels, place):
            assert (place.height, place.width) == pixels.shape[:2] == (64, 64)
            return (np.abs(pixels - truth) > 0).any(axis=2)

    class Blind(Knows):
        def __call__(self, pixels, place):
            return np.zeros(pixels.shape[:2], bool)

    def fill(pixels, mask):
        return np.where(mask[..., None], truth, pixels)

    kinds = ("losses", *blind.PATTERNS, blind.CLEAN)
    table = blind.measure([clean], kinds, {"knows": Knows(), "blind": Blind()}, fill, patterns, 0)
    figures = blind.summarise(table)
    knows, sees_nothing = figures["knows"], figures["blind"]
    assert knows["all damage"]["f1"]["value"] > 0.9 and knows["all patterns"]["gain"]["value"] > 20
    assert sees_nothing["all damage"]["gain"]["value"] == sees_nothing["losses"]["f1"]["value"] == 0
    for row in (knows, sees_nothing):
        assert row[blind.CLEAN]["copies"]["value"] == 1 and row[blind.CLEAN]["found"]["value"] == 0
    text = blind.as_text(figures, 1)
    assert "knows      losses" in text and "copies 100%" in text
