"""Pretrain the detector of damage on folders of paintings; stop and go on at will.

    python benchmarks/pretrain_detector.py --images DIR... --exclude LIST --epochs 60 --minutes 60

Trains on the works of the demo archive's train split (data/prepared says which; their originals are
read) and on the given folders, of whose pictures every sixth is kept for validation beside the val
split. Damage is made by pipeline/restoration/damage; a third of the pictures stays undamaged. A
checkpoint is written after every epoch in --state: the same command goes on from there. --minutes ends
the run early, at the end of an epoch; --export-only trains nothing and saves the best epoch so far.

The rule by which probabilities become a mask is chosen on whole validation pictures and written in the
card: of the rules that leave nine in ten undamaged pictures as they are, the one of the highest F1.

LIST is a text file: one picture's name (with or without its suffix) or folder-relative path a line.
Leave out whatever the model will be measured on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from originals import originals
from pretraining import Pictures, add_arguments, excluded, fit, read_folders, save_half

from pipeline import paths
from pipeline.archive.fixity import tree_sha256, value_sha256
from pipeline.errors import PentimentoError
from pipeline.models.detector import DamageDetector
from pipeline.models.registry import load_model
from pipeline.progress import track
from pipeline.restoration.damage import MASKED, WHOLE, age, damage
from pipeline.restoration.damage.texture import Mask, Pixels, shown, smooth_noise
from pipeline.restoration.learnt_detector import LearntDetector, Map, Rule, patches
from pipeline.restoration.steps import Place
from pipeline.training.detector import DetectorTask, Examples
from pipeline.training.loop import Schedule

ARCHITECTURE = "damage_detector"
NETWORK: dict[str, Any] = {"widths": [16, 32, 64], "blocks": [1, 1], "dilations": [1, 2, 1]}
EXAMPLES = {"crop": 128, "per_picture": 12, "pictures": 240, "smallest": 320, "largest": 1024}
CLEAN = 0.35  # share of pictures without damage
CRUMBLING = 0.15  # share of damaged pictures whose cracks crumble
FAINT = 0.03  # a change that is too faint to tell
OFTEN = {"cracks": 2.5, "losses": 1.5}  # how much more often than other kinds
KEPT = 6  # every so many pictures of the folders are for validation
BATCH = 6
COPIES = 0.92  # least share of undamaged validation pictures that the rule leaves alone
PROBABLE, CERTAIN, CORES = (0.15, 0.25, 0.35, 0.5), (0.6, 0.75, 0.85, 0.92, 0.96), (1, 6, 20)


def main() -> None:
    """Parse the command line, train until the end or until the time is over, choose the rule, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, "detector")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    root = paths.project_root()
    schedule = Schedule(
        epochs=arguments.epochs, batch_size=BATCH, learning_rate=arguments.learning_rate or 0.003,
        cosine=True, ema_decay=0.998, clip_norm=1.0, patience=0, seed=arguments.seed,
    )  # fmt: skip
    extra, used = read_folders(arguments.images, excluded(arguments.exclude), arguments.max_side)
    train = originals(root, "train", arguments.max_side) + [p for n, p in enumerate(extra) if n % KEPT]
    validation = originals(root, "val", arguments.max_side) + extra[::KEPT]
    network, started = first_network(arguments.start_from, schedule.seed)
    task = DetectorTask(
        network, train=train, validation=validation, ageing=ageing,
        examples=Examples.model_validate(EXAMPLES | {"validation_pictures": len(validation)}),
        batch_size=BATCH, learning_rate=schedule.learning_rate, bf16=True, seed=schedule.seed,
    )  # fmt: skip
    recipe = schedule.model_dump(mode="json") | {"examples": EXAMPLES, "clean": CLEAN, "often": OFTEN}
    # Checkpoints of other pictures or settings are never gone on with.
    key = value_sha256([recipe, NETWORK, started, arguments.max_side, used, len(train)])[:16]
    best, history = fit("detector", task, schedule, arguments.state / key, arguments)
    kept = max(history, key=lambda row: row["val_f1"])
    card = {
        "purpose": "finds damage in pictures of paintings, by kind",
        "started_from": started,
        "trained_on": {"works": len(train), "given_folders": len(extra), "epochs": len(history)},
        "recipe": recipe,
        "val": {name: round(value, 4) for name, value in kept.items() if name.startswith("val_")},
        "limits": "paint that looks like damage in every way is taken for it; faint stains are missed",
    }
    sizes = {"kinds": list(MASKED), **NETWORK}
    anything = Rule(probable=0.5, certain=0.5, core=1, share=0.0)
    save_half(arguments.out, best, ARCHITECTURE, sizes, card | {"rule": anything.as_dict()})
    rule, figures = choose_rule(LearntDetector(arguments.out, "torch"), validation, schedule.seed)
    chosen = {"rule": rule.as_dict(), "rule_on_val": figures}
    save_half(arguments.out, best, ARCHITECTURE, sizes, card | chosen)
    print(f"{len(history)} epochs; {arguments.out}: {card['val']}; {chosen}")


def choose_rule(detector: LearntDetector, pictures: Pictures, seed: int) -> tuple[Rule, dict[str, float]]:
    """The rule of the highest mean F1 on damaged pictures that leaves enough undamaged ones alone."""
    maps: list[tuple[Map, Mask | None]] = []
    for number, picture in enumerate(track(pictures, "choosing the rule")):
        clean = picture.astype(np.float32) / np.float32(255)
        place = Place(0, 0, *clean.shape[:2])
        aged = age(clean, np.random.default_rng([seed, number, 2]), kinds=MASKED, most=2, identity=0.0)
        rounded = np.round(aged.pixels * 255).astype(np.float32) / np.float32(255)
        maps += [
            (detector.probability(clean, place), None),
            (detector.probability(rounded, place), aged.mask),
        ]
    best: tuple[float, Rule, dict[str, float]] | None = None
    for probable, certain, core in product(PROBABLE, CERTAIN, CORES):
        rule = Rule(probable, certain, core, 0.0)
        judged = [(*patches(values, rule), truth) for values, truth in maps]
        quiet = np.array([share for _, share, truth in judged if truth is None])
        # The least share that leaves enough pictures alone: no more damage than needed goes unseen.
        least = float(np.quantile(quiet, COPIES, method="higher"))
        share = 0.0 if least == 0.0 else least * 1.05
        rule = replace(rule, share=round(share, 7))
        f1 = np.array([_f1(m & (s >= rule.share), truth) for m, s, truth in judged if truth is not None])
        changed = float(np.mean([m.mean() * (s >= rule.share) for m, s, truth in judged if truth is None]))
        figures = {
            "f1": round(float(f1.mean()), 4),
            "works_without_a_find": round(float((f1 == 0).mean()), 4),
            "copies_of_undamaged": round(float((quiet < max(rule.share, 1e-12)).mean()), 4),
            "changed_of_undamaged": round(changed, 6),
        }
        if best is None or f1.mean() > best[0]:
            best = (float(f1.mean()), rule, figures)
    assert best is not None
    return best[1], best[2]


def _f1(found: Mask, truth: Mask) -> float:
    both = float((found & truth).sum())
    return 2 * both / max(1.0, float(found.sum() + truth.sum()))


def ageing(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mapping[str, Mask], Mask]:
    """Damage of one or two kinds, before or after it whole-picture ageing now and then; or no damage."""
    none = np.zeros(pixels.shape[:2], np.bool_)
    if rng.random() < CLEAN:
        return age(pixels, rng, kinds=WHOLE, most=2, identity=0.6).pixels, {}, none
    whole, turn = [str(rng.choice(WHOLE))], rng.random()
    before = damage(pixels, whole, rng)[0] if turn < 0.15 else pixels
    if rng.random() < CRUMBLING:
        after, mask = crumbling(before, rng)
        masks = {"cracks": mask}
    else:
        odds = np.array([OFTEN.get(kind, 1.0) for kind in MASKED])
        kinds = [str(kind) for kind in rng.choice(MASKED, 2, replace=False, p=odds / odds.sum())]
        aged = age(before, rng, kinds=kinds, most=2, identity=0.0)
        after, mask, masks = aged.pixels, aged.mask, aged.masks
    unsure = mask & (np.abs(after - before).max(axis=2) < FAINT)
    return damage(after, whole, rng)[0] if turn > 0.85 else after, masks, unsure


def crumbling(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
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


def first_network(start_from: str | None, seed: int) -> tuple[DamageDetector, str]:
    """The network to train, and what it starts from: 'new' or a hash of weights."""
    if start_from is None:
        torch.manual_seed(seed)
        return DamageDetector(MASKED, **NETWORK), "new"
    network, _ = load_model(Path(start_from))
    if not isinstance(network, DamageDetector) or network.kinds != MASKED:
        raise PentimentoError(f"--start-from: {start_from} holds no detector of {', '.join(MASKED)}")
    return network.float(), tree_sha256(Path(start_from))[:16]


if __name__ == "__main__":
    main()
