import numpy as np

from pipeline.restoration.methods.detect import ClassicalDetector
from pipeline.restoration.methods.interface import Position


def detect(pixels):
    values = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    return ClassicalDetector()(values, Position(0, 0, *pixels.shape[:2]))


def canvas(deep=False):
    rows, columns = np.mgrid[:200, :260].astype(np.float64)
    waves = 150 + 25 * np.sin(rows / 17) + 20 * np.cos(columns / 23)
    grain = np.random.default_rng(1).normal(0, 4, (200, 260, 3))
    pixels = np.clip(waves[..., None] + grain, 0, 255)
    return (pixels * 257).astype(np.uint16) if deep else pixels.astype(np.uint8)


def test_an_undamaged_canvas_is_left_alone():
    assert not detect(canvas()).any()
    assert not detect(canvas(deep=True)).any()


def test_a_dark_crack_and_a_white_loss_are_found():
    for deep in (False, True):
        pixels = canvas(deep)
        peak = np.iinfo(pixels.dtype).max
        truth = np.zeros(pixels.shape[:2], np.bool_)
        for step in range(120):
            truth[70 + step // 3 : 72 + step // 3, 60 + step] = True
        pixels[truth] = 0
        loss = np.s_[140:152, 60:76]
        pixels[loss] = peak
        truth[loss] = True
        found = detect(pixels)
        assert found[truth].mean() > 0.95
        assert (found & ~truth).mean() < 0.03  # the rim


def test_every_kind_of_picture_is_taken():
    for channels in (1, 3, 4):
        assert detect(np.full((64, 64, channels), 120, np.uint8)).shape == (64, 64)
    assert not detect(np.zeros((5, 700, 3), np.uint8)).any()


def test_a_frame_along_the_side_is_no_scratch():
    pixels = canvas()
    pixels[8:10, 10:250] = 255
    pixels[10:190, 12:14] = 0
    assert not detect(pixels).any()
