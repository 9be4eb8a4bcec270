from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.catalog.checks.matching import same_work
from pipeline.catalog.checks.sketches import SIDE, sketch


def scene(seed: int) -> Image.Image:
    """A picture with much to hold on to: rectangles and discs of all sizes, in any colour."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (420, 320), tuple(rng.integers(0, 256, 3)))
    pen = ImageDraw.Draw(image)
    for n in range(150):
        x, y = rng.integers(0, 420), rng.integers(0, 320)
        size = int(rng.integers(4, 60))
        draw = pen.ellipse if n % 2 else pen.rectangle
        draw((x, y, x + size, y + int(rng.integers(4, 60))), fill=tuple(rng.integers(0, 256, 3)))
    return image


def framed(image: Image.Image) -> Image.Image:
    frame = Image.new("RGB", (image.width + 80, image.height + 80), (120, 90, 20))
    frame.paste(image, (40, 40))
    return frame


def compressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


COPIES = {
    "itself": lambda image: image,
    "crop": lambda image: image.crop((100, 60, 380, 300)),
    "frame": framed,
    "rotation": lambda image: image.rotate(4, Image.Resampling.BICUBIC, expand=True),
    "small": lambda image: image.resize((140, 110)),
    "JPEG": compressed,
    "darker scan": lambda image: image.point(lambda value: int(value * 0.7 + 10)),
    "grey scan": lambda image: image.convert("L").convert("RGB"),
}


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_known_either_way(kind: str) -> None:
    original = sketch(np.asarray(scene(0)))
    copy = sketch(np.asarray(COPIES[kind](scene(0)).convert("RGB")))
    assert same_work(original, copy)
    assert same_work(copy, original)


def test_another_work_is_another_work() -> None:
    sketches = [sketch(np.asarray(scene(seed))) for seed in range(6)]
    assert not any(same_work(a, b) for n, a in enumerate(sketches) for b in sketches[:n])


def test_a_shared_stamp_or_a_shared_frame_makes_no_copy() -> None:
    stamp = scene(9).resize((70, 50))
    stamped = [scene(0), scene(1)]
    for image in stamped:
        image.paste(stamp, (340, 260))
    assert not same_work(*(sketch(np.asarray(image)) for image in stamped))
    in_one_frame = []
    for seed in (2, 3):
        frame = scene(8).resize((600, 480))
        frame.paste(scene(seed), (90, 80))
        in_one_frame.append(frame)
    assert not same_work(*(sketch(np.asarray(image)) for image in in_one_frame))


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (3, 900)])
def test_a_picture_without_features_is_no_copy_of_anything(shape: tuple[int, int]) -> None:
    blank = sketch(np.full((*shape, 3), 200, np.uint8))
    assert max(blank.grey.shape) == SIDE
    assert not same_work(blank, blank)
    assert not same_work(blank, sketch(np.asarray(scene(0))))
