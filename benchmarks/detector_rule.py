"""Choose the rule by which a detector's probabilities become a mask, and write it in the model's card.

    python benchmarks/detector_rule.py --images DIR... --exclude LIST [--model pretrained/detector]

Of the rules that leave enough undamaged pictures as they are, the one of the highest mean F1 on damaged
ones. Pictures of more than 768 pixels are looked at once, not twice: they must give so much more evidence
that as many of them, enlarged, are left alone. The pictures are those that pretrain_detector.py keeps for
validation: the demo archive's val split, and every sixth of the given folders (give the same folders and
LIST as to the training).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from improving import larger
from numpy.typing import NDArray
from originals import originals
from pretraining import Pictures, excluded, read_folders, save_half

from pipeline import paths
from pipeline.damage import MASKED, damage
from pipeline.damage.texture import Mask
from pipeline.models.registry import load_model
from pipeline.progress import track
from pipeline.restoration.methods.interface import Position
from pipeline.restoration.methods.learnt_detector import LearntDetector, Map, Rule, patches

KEPT = 6  # every so many pictures of the folders are for validation
COPIES = 0.94  # least share of undamaged validation pictures that the rule leaves alone
PROBABLE, CERTAIN = (0.25, 0.35, 0.45, 0.55), (0.5, 0.6, 0.7, 0.8, 0.88, 0.94, 0.97, 0.99)
CORES = (1, 6, 20)  # pixels
ENLARGED = 3  # times: large scans, which are looked at reduced
DRAWS = 2  # damaged pictures made of each
MARGIN = 0.02  # of the shorter side: what museums' scans show of frames and edges
# One pixel: losses and stains are filled 1 and 4 dB better than without a rim, F1 is a little lower. With
# two, stains gain 0.3 dB more, and creases and foxing lose more than that (validation pictures).
RIM, WIDE, HINT = 1, 5, 0.05


def main() -> None:
    """Parse the command line, choose the rule, write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", nargs="*", type=Path, default=[], metavar="DIR")
    parser.add_argument("--exclude", type=Path, metavar="LIST", help="pictures to leave out")
    parser.add_argument("--model", type=Path, default=paths.PRETRAINED / "detector", metavar="DIR")
    parser.add_argument("--max-side", type=int, default=768, help="pixels (default 768)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    extra, _ = read_folders(arguments.images, excluded(arguments.exclude), arguments.max_side)
    pictures = held_out(paths.project_root(), extra, arguments.max_side)
    print(write_rule(arguments.model, pictures, arguments.seed))


def held_out(root: Path, extra: Pictures, side: int) -> Pictures:
    """The pictures that no detector is trained on: the val split's, and some of the given folders'."""
    return originals(root, "val", side) + extra[::KEPT]


def write_rule(folder: Path, pictures: Pictures, seed: int) -> dict[str, Any]:
    """Choose the rule of the detector in a folder and write it in its card: the rule and its figures."""
    detector = LearntDetector(folder)
    rule, figures = choose_rule(detector, pictures, seed)
    rule = replace(rule, once=once(detector, pictures, rule))
    chosen: dict[str, Any] = {"rule": rule.as_dict(), "rule_on_val": figures}
    network, card = load_model(folder)
    sizes = card.pop("arguments")
    save_half(folder, network.float(), card.pop("architecture"), sizes, card | chosen)
    return chosen


def choose_rule(detector: LearntDetector, pictures: Pictures, seed: int) -> tuple[Rule, dict[str, float]]:
    """The rule of the highest mean F1 on damaged pictures that leaves enough undamaged ones alone."""
    maps: list[tuple[Map, Mask | None]] = []
    for number, picture in enumerate(track(pictures, "choosing the rule")):
        clean = picture.astype(np.float32) / np.float32(255)
        place = Position(0, 0, *clean.shape[:2])
        maps.append((detector.probability(clean, place), None))
        for draw in range(DRAWS):
            # One kind at a time: of two, the stronger would decide.
            kind = MASKED[(number + draw * len(pictures)) % len(MASKED)]
            aged, mask = damage(clean, [kind], np.random.default_rng([seed, number, draw]))
            rounded = np.round(aged * 255).astype(np.float32) / np.float32(255)
            maps.append((detector.probability(rounded, place), mask))
    best: tuple[float, Rule, dict[str, float]] | None = None
    for probable, certain, core in product(PROBABLE, CERTAIN, CORES):
        if certain < probable:
            continue
        rule = Rule(probable, certain, core, 0.0, MARGIN, RIM, WIDE, HINT)
        judged = [(*patches(values, rule), truth) for values, truth in maps]
        quiet = np.array([evidence for _, evidence, truth in judged if truth is None])
        rule = replace(rule, evidence=round(least_evidence(quiet), 5))
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


def once(detector: LearntDetector, pictures: Pictures, rule: Rule) -> float:
    """How many times as much evidence a large picture must give, so that enough undamaged ones do not."""
    found: list[float] = []
    for picture in track(pictures, "looking at large pictures"):
        large = larger(picture, ENLARGED).astype(np.float32) / np.float32(255)
        seen, place = detector.look(large, Position(0, 0, *large.shape[:2]))
        found.append(patches(seen, rule, place)[1])
    return round(max(1.0, least_evidence(np.array(found)) / rule.evidence), 3) if rule.evidence else 1.0


def least_evidence(undamaged: NDArray[np.float64]) -> float:
    """The least evidence that leaves enough undamaged pictures alone: so the least damage goes unseen."""
    return float(np.quantile(undamaged, COPIES, method="higher")) * 1.05


def _f1(found: Mask, truth: Mask) -> float:
    both = float((found & truth).sum())
    return 2 * both / max(1.0, float(found.sum() + truth.sum()))


if __name__ == "__main__":
    main()
