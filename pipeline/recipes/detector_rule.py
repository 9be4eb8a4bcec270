"""Choose the rule by which a detector's probabilities become a mask.

Of the rules that leave enough undamaged pictures as they are, the one of the highest mean F1 on damaged
ones. Pictures of more than 768 pixels are looked at once, not twice: they must give so much more evidence
that as many of them, enlarged, are left alone.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.damage import MASKED, damage
from pipeline.damage.texture import Mask
from pipeline.progress import track
from pipeline.recipes.pictures import Picture
from pipeline.restoration.methods.interface import Position
from pipeline.restoration.methods.learnt_detector import LearntDetector, Map, Rule, patches

PROBABLE, CERTAIN = (0.25, 0.35, 0.45, 0.55), (0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.97, 0.99)
CORES = (1, 6, 20)  # pixels


def choose(
    folder: Path,
    pictures: list[Picture],
    seed: int,
    *,
    copies: float,
    margin: float,
    rim: int,
    wide: int,
    hint: float,
    draws: int,
    enlarged: int,
) -> dict[str, Any]:
    """The rule of the detector in a folder, and its figures: what its card says of both.

    Args:
        folder: of the detector.
        pictures: undamaged ones that it was not trained on.
        seed: of the damage.
        copies: least share of undamaged pictures that the rule leaves alone.
        margin, rim, wide, hint: see Rule.
        draws: damaged pictures made of each.
        enlarged: times that pictures are enlarged, to stand for large scans.
    """
    detector = LearntDetector(folder)
    first = Rule(PROBABLE[0], CERTAIN[0], CORES[0], 0.0, margin, rim, wide, hint)
    rule, figures = _chosen(detector, pictures, seed, first, copies, draws)
    rule = replace(rule, once=_once(detector, pictures, rule, copies, enlarged))
    return {"rule": rule.as_dict(), "rule_on_val": figures}


def _chosen(
    detector: LearntDetector, pictures: list[Picture], seed: int, first: Rule, copies: float, draws: int
) -> tuple[Rule, dict[str, float]]:
    """The rule of the highest mean F1 on damaged pictures that leaves enough undamaged ones alone."""
    maps: list[tuple[Map, Mask | None]] = []
    for number, picture in enumerate(track(pictures, "choosing the rule")):
        clean = picture.astype(np.float32) / np.float32(255)
        place = Position(0, 0, *clean.shape[:2])
        maps.append((detector.probability(clean, place), None))
        for draw in range(draws):
            # One kind at a time: of two, the stronger would decide.
            kind = MASKED[(number + draw * len(pictures)) % len(MASKED)]
            aged, mask = damage(clean, [kind], np.random.default_rng([seed, number, draw]))
            rounded = np.round(aged * 255).astype(np.float32) / np.float32(255)
            maps.append((detector.probability(rounded, place), mask))
    best: tuple[float, Rule, dict[str, float]] | None = None
    for probable, certain, core in product(PROBABLE, CERTAIN, CORES):
        if certain < probable:
            continue
        rule = replace(first, probable=probable, certain=certain, core=core)
        judged = [(*patches(values, rule), truth) for values, truth in maps]
        quiet = np.array([evidence for _, evidence, truth in judged if truth is None])
        rule = replace(rule, evidence=round(_least_evidence(quiet, copies), 5))
        f1 = np.array([_f1(m & (e >= rule.evidence), truth) for m, e, truth in judged if truth is not None])
        changed = float(np.mean([m.mean() * (e >= rule.evidence) for m, e, truth in judged if truth is None]))
        figures = {
            "f1": round(float(f1.mean()), 4),
            "works_without_a_find": round(float((f1 == 0).mean()), 4),
            "copies_of_undamaged": round(float((quiet < max(rule.evidence, 1e-12)).mean()), 4),
            "changed_of_undamaged": round(changed, 6),
        }
        if best is None or f1.mean() > best[0]:
            best = (float(f1.mean()), rule, figures)
    assert best is not None
    return best[1], best[2]


def _once(
    detector: LearntDetector, pictures: list[Picture], rule: Rule, copies: float, enlarged: int
) -> float:
    """How many times as much evidence a large picture must give, so that enough undamaged ones do not."""
    found: list[float] = []
    for picture in track(pictures, "looking at large pictures"):
        large = _larger(picture, enlarged).astype(np.float32) / np.float32(255)
        seen, place = detector.look(large, Position(0, 0, *large.shape[:2]))
        found.append(patches(seen, rule, place)[1])
    return (
        round(max(1.0, _least_evidence(np.array(found), copies) / rule.evidence), 3) if rule.evidence else 1.0
    )


def _least_evidence(undamaged: NDArray[np.float64], copies: float) -> float:
    """The least evidence that leaves enough undamaged pictures alone: so the least damage goes unseen."""
    return float(np.quantile(undamaged, copies, method="higher")) * 1.05


def _larger(picture: Picture, times: int) -> Picture:
    size = (picture.shape[1] * times, picture.shape[0] * times)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _f1(found: Mask, truth: Mask) -> float:
    both = float((found & truth).sum())
    return 2 * both / max(1.0, float(found.sum() + truth.sum()))
