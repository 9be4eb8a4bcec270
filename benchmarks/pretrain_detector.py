"""Pretrain the detector of damage on folders of paintings; stop and go on at will.

    python benchmarks/pretrain_detector.py --images DIR... --exclude LIST --epochs 60 --minutes 60

Trains on the works of the demo archive's train split (data/prepared says which; their originals are
read) and on the given folders, of whose pictures every sixth is kept for validation beside the val
split. Damage is made by pipeline/restoration/damage; a third of the pictures stays undamaged. A
checkpoint is written after every epoch in --state: the same command goes on from there. --minutes ends
the run early, at the end of an epoch; --export-only trains nothing and saves the best epoch so far.

At last the rule by which probabilities become a mask is chosen: see detector_rule.py.

LIST is a text file: one picture's name (with or without its suffix) or folder-relative path a line.
Leave out whatever the model will be measured on.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from detector_rule import KEPT, held_out, write_rule
from originals import originals
from pretraining import add_arguments, excluded, fit, read_folders, save_half

from pipeline import environment, paths
from pipeline.archive.fixity import tree_sha256, value_sha256
from pipeline.damage import MASKED, WHOLE, age, damage
from pipeline.damage.texture import Mask, Pixels, in_any_channel, shown, smooth_noise
from pipeline.errors import PentimentoError
from pipeline.models.detector import DamageDetector
from pipeline.models.registry import load_model
from pipeline.restoration.methods.learnt_detector import Rule
from pipeline.training.detector import DetectorTask, Examples
from pipeline.training.task import Schedule

ARCHITECTURE = "damage_detector"
NETWORK: dict[str, Any] = {"widths": [48, 96, 160, 224], "blocks": [1, 2, 3], "dilations": [1, 2, 4, 1]}
EXAMPLES = {"crop": 224, "per_picture": 6, "smallest": 320, "largest": 1024, "doubled": 0.8}
CLEAN = 0.3  # share of pictures without damage
CRUMBLING = 0.2  # share of damaged pictures whose cracks crumble
FAINT = 0.03  # a change that is too faint to tell by itself
NEAR = 4  # pixels from a plain change within which a faint one belongs to it: the shadow of a hair
# How much more often than other kinds: the thin and small ones need the most examples.
OFTEN = {"hair": 3.0, "cracks": 2.0, "dust": 2.5, "foxing": 2.5, "scratches": 1.5, "creases": 1.5}


def main() -> None:
    """Parse the command line, train until the end or until the time is over, choose the rule, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, "detector")
    parser.set_defaults(batch_size=6, learning_rate=0.003, per_epoch=240)
    parser.add_argument("--no-rule", action="store_true", help="leave the rule to detector_rule.py")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    root = paths.project_root()
    schedule = Schedule(
        epochs=arguments.epochs, batch_size=arguments.batch_size, learning_rate=arguments.learning_rate,
        cosine=True, ema_decay=0.998, clip_norm=1.0, patience=0, seed=arguments.seed,
    )  # fmt: skip
    extra, used = read_folders(arguments.images, excluded(arguments.exclude), arguments.max_side)
    train = originals(root, "train", arguments.max_side) + [p for n, p in enumerate(extra) if n % KEPT]
    validation = held_out(root, extra, arguments.max_side)
    examples = EXAMPLES | {"pictures": arguments.per_epoch}
    network, started = first_network(arguments.start_from, schedule.seed)
    task = DetectorTask(
        network, train=train, validation=validation, ageing=ageing,
        examples=Examples.model_validate(examples | {"validation_pictures": len(validation)}),
        batch_size=schedule.batch_size, learning_rate=schedule.learning_rate, bf16=True, seed=schedule.seed,
    )  # fmt: skip
    recipe = schedule.model_dump(mode="json") | {"examples": examples, "clean": CLEAN, "often": OFTEN}
    recipe |= {"loaders": environment.loaders()}
    # Checkpoints of other pictures or settings are never gone on with.
    key = value_sha256([recipe, NETWORK, started, arguments.max_side, used, len(train)])[:16]
    best, history = fit("detector", task, schedule, arguments.state / key, arguments)
    kept = max(history, key=lambda row: row["val_f1_mean"])
    card = {
        "purpose": "finds damage in pictures of paintings, by kind",
        "started_from": started,
        "trained_on": {"works": len(train), "given_folders": len(extra), "epochs": len(history)},
        "recipe": recipe,
        "val": {name: round(value, 4) for name, value in kept.items() if name.startswith("val_")},
        "limits": "paint that looks like damage is taken for it; hairs and specks on dark paint are missed",
    }
    sizes = {"kinds": list(MASKED), **NETWORK}
    anything = Rule(probable=0.5, certain=0.5, core=1, evidence=0.0)
    save_half(arguments.out, best, ARCHITECTURE, sizes, card | {"rule": anything.as_dict()})
    print(f"{len(history)} epochs; {arguments.out}: {card['val']}")
    if not arguments.no_rule:
        print(write_rule(arguments.out, validation, schedule.seed))


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
    plain = mask & in_any_channel(np.abs(after - before) >= FAINT)
    unsure = mask & ~np.asarray(cv2.dilate(plain.astype(np.uint8), np.ones((2 * NEAR + 1,) * 2)) > 0)
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
