"""Pretrain the colour network on folders of paintings; stop and go on at will.

    python benchmarks/pretrain_colour.py --images DIR... --exclude LIST --epochs 60 --minutes 20

Trains on the demo archive's train split (data/prepared) and on the given folders, by fading and by
yellow varnish made to order; some pictures stay as they are. Validates on the val split and keeps the
epoch with the least colour difference. A checkpoint is written after every epoch in --state: the same
command goes on from there. --minutes ends the run early, at the end of an epoch; --export-only trains
nothing and saves the best epoch so far. The weights are saved in half precision.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from pretraining import add_arguments, excluded, fit, read_folders, save_half

from pipeline import paths
from pipeline.archive.fixity import tree_sha256, value_sha256
from pipeline.archive.shards import Shards
from pipeline.damage import age, damage
from pipeline.damage.texture import Pixels
from pipeline.errors import PentimentoError
from pipeline.models.registry import build, load_model
from pipeline.training.colour import ColourTask
from pipeline.training.task import Schedule

ARCHITECTURE = "colour_net"
KINDS = ("fading", "varnish")
IDENTITY = 0.15  # share of pictures left as they are
BOTH = 0.25  # share of the others that may have faded and be varnished
SIZES = {"widths": [24, 48, 64, 96], "histogram_widths": [24, 48, 64], "hidden": 192, "dropout": 0.1}


def main() -> None:
    """Parse the command line, train until the end or until the time is over, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, "colour")
    parser.add_argument("--pictures", type=int, default=1920, help="examples per epoch (default 1920)")
    parser.add_argument("--weight-decay", type=float, default=0.02, help="of AdamW (default 0.02)")
    parser.add_argument("--less", type=float, default=0.5, metavar="X", help="threshold of change, delta-E")
    arguments = parser.parse_args()
    root = paths.project_root()
    schedule = Schedule(
        epochs=arguments.epochs, batch_size=16, learning_rate=arguments.learning_rate or 0.002, cosine=True,
        ema_decay=0.995, clip_norm=1.0, patience=0, seed=arguments.seed,
    )  # fmt: skip
    shards = Shards(root / paths.PREPARED)
    extra, used = read_folders(arguments.images, excluded(arguments.exclude), arguments.max_side)
    train = [shards[row] for row in shards.rows("train")] + extra
    torch.manual_seed(arguments.seed)
    network, started = build(ARCHITECTURE, SIZES), "new"
    if arguments.start_from:
        network, card = load_model(root / arguments.start_from)
        network, started = network.float(), tree_sha256(root / arguments.start_from)[:16]
        if card["architecture"] != ARCHITECTURE:
            raise PentimentoError(f"--start-from: {arguments.start_from} holds a '{card['architecture']}'")
    task = ColourTask(
        network, train=train, validation=[shards[row] for row in shards.rows("val")], damage=aged,
        judged={"none": lambda pixels, _: pixels} | {kind: only(kind) for kind in KINDS},
        pictures=arguments.pictures, batch_size=schedule.batch_size, learning_rate=schedule.learning_rate,
        weight_decay=arguments.weight_decay, seed=schedule.seed,
    )  # fmt: skip
    recipe = schedule.model_dump(mode="json") | {
        "kinds": list(KINDS), "identity": IDENTITY, "both": BOTH, "pictures": arguments.pictures,
        "weight_decay": arguments.weight_decay, "network": SIZES,
    }  # fmt: skip
    # Checkpoints of other pictures or settings are never gone on with.
    key = value_sha256([recipe, started, arguments.max_side, used, len(train)])[:16]
    best, history = fit("colour", task, schedule, arguments.state / key, arguments)
    kept = min(history, key=lambda row: row["val_delta_e"])
    card = {
        "purpose": "tells from a reduced picture which curves undo fading and yellow varnish",
        "started_from": started,
        "trained_on": {
            "demo_train_works": len(train) - len(extra),
            "works_of_given_folders": len(extra),
            "epochs": len(history),
        },
        "recipe": recipe,
        "least_change": arguments.less,
        **{name: round(value, 3) for name, value in kept.items() if name.startswith("val_")},
        "limits": "one curve a channel for the whole picture; cannot tell a warm light that was painted "
        "from thin yellow varnish; sRGB statistics of paintings",
    }
    save_half(arguments.out, best, ARCHITECTURE, SIZES, card)
    print(f"{len(history)} epochs, {arguments.out}: " + ", ".join(
        f"{name} {value:.2f}" for name, value in kept.items()
    ))  # fmt: skip


def aged(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A picture faded, varnished, both, or as it is."""
    most = 2 if rng.random() < BOTH else 1
    return age(pixels, rng, kinds=KINDS, most=most, identity=IDENTITY).pixels


def only(kind: str):  # noqa: ANN201
    """One kind of damage, without its mask."""
    return lambda pixels, rng: damage(pixels, [kind], rng)[0]


if __name__ == "__main__":
    main()
