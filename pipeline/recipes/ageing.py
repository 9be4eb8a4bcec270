"""How the detector's examples are damaged, with a map of what was done."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from pipeline.damage import MASKED, WHOLE, age, damage
from pipeline.damage.texture import Mask, Pixels, in_any_channel, shown, smooth_noise
from pipeline.errors import PentimentoError
from pipeline.training.detector import Ageing


def ageing(*, clean: float, crumbling: float, faint: float, near: int, often: Mapping[str, float]) -> Ageing:
    """Damage of one or two kinds, before or after it whole-picture ageing now and then; or no damage.

    Args:
        clean: share of pictures without damage.
        crumbling: share of damaged pictures whose cracks crumble.
        faint: a change that is too faint to tell by itself.
        near: pixels from a plain change within which a faint one belongs to it: the shadow of a hair.
        often: how much more often a kind is drawn than the others.

    Raises:
        PentimentoError: when a kind is not known.
    """
    if unknown := sorted(set(often) - set(MASKED)):
        raise PentimentoError(
            f"train_detector.ageing.often: {', '.join(unknown)} leaves no mask; known are {', '.join(MASKED)}"
        )
    odds = np.array([often.get(kind, 1.0) for kind in MASKED])

    def aged(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mapping[str, Mask], Mask]:
        none = np.zeros(pixels.shape[:2], np.bool_)
        if rng.random() < clean:
            return age(pixels, rng, kinds=WHOLE, most=2, identity=0.6).pixels, {}, none
        whole, turn = [str(rng.choice(WHOLE))], rng.random()
        before = damage(pixels, whole, rng)[0] if turn < 0.15 else pixels
        if rng.random() < crumbling:
            after, mask = crumbled(before, rng)
            masks: Mapping[str, Mask] = {"cracks": mask}
        else:
            kinds = [str(kind) for kind in rng.choice(MASKED, 2, replace=False, p=odds / odds.sum())]
            made = age(before, rng, kinds=kinds, most=2, identity=0.0)
            after, mask, masks = made.pixels, made.mask, made.masks
        plain = mask & in_any_channel(np.abs(after - before) >= faint)
        around = np.ones((2 * near + 1,) * 2)
        unsure = mask & ~np.asarray(cv2.dilate(plain.astype(np.uint8), around) > 0)
        return damage(after, whole, rng)[0] if turn > 0.85 else after, masks, unsure

    return aged


def crumbled(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Cracks whose edges crumble: ridges of random fields with gaps, and specks where paint is weak."""
    height, width = pixels.shape[:2]
    pixel = rng.uniform(1.0, 2.8)  # of the pattern, in pixels of the picture
    shape = (int(np.ceil(height / pixel)), int(np.ceil(width / pixel)))
    cell = rng.uniform(15, 70)
    weak = smooth_noise(shape, 2 * cell, rng)
    drawn = np.zeros(shape, np.bool_)
    for finer in range(int(rng.integers(1, 4))):
        ridge = np.abs(smooth_noise(shape, cell / (1 + 0.7 * finer), rng, octaves=3))
        drawn |= ridge < rng.uniform(0.025, 0.07) * np.exp(0.4 * weak)
    rough = smooth_noise(shape, rng.uniform(1.0, 1.8), rng)
    drawn &= rough > rng.uniform(-2.5, -0.8)
    drawn |= rough > rng.uniform(2.3, 3.6) - 0.6 * weak
    large = cv2.resize(drawn.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    shade = rng.uniform(0.02, 0.3) if rng.random() < 0.6 else rng.uniform(0.7, 0.97)
    colour = shade + rng.normal(0, 0.03, 3)
    opacity = (large > 0.5) * np.float32(rng.uniform(0.6, 1.0))
    return shown(pixels, (pixels + (colour - pixels) * opacity[..., None]).astype(np.float32))
