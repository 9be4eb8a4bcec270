"""Pretrain the networks of `enhance` (--scale 1) and `upscale` (--scale 2 or 4); stop and go on at will.

    python benchmarks/pretrain_enhancer.py --scale 1 --images DIR --exclude LIST --epochs 150 --minutes 60
    python benchmarks/pretrain_enhancer.py --scale 4 --images DIR --exclude LIST --epochs 34 \\
        --start-from pretrained/upscaler_x4 --penalty log_mse --learning-rate 0.0004

Trains on the originals of the demo archive's train split, at their full size, and on the given folders;
validates on the val split. A checkpoint is written after every epoch in --state: the same command goes on
from there. --minutes ends the run early, at the end of an epoch; --export-only trains nothing and saves the
best epoch so far. The weights are saved in half precision. With --start-from, weights of the same name and
shape are taken over and the rest is new: so one scale may begin with the trunk of another.

LIST is a text file: one picture's name (with or without its suffix) or folder-relative path a line.
Leave out whatever the model will be measured on.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from originals import originals
from pretraining import Pictures, add_arguments, excluded, fit, read_folders, save_half
from torch import nn

from pipeline import environment, paths
from pipeline.archive.fixity import value_sha256
from pipeline.models.enhancer import Enhancer, Upscaler
from pipeline.models.registry import build, load_model
from pipeline.progress import say
from pipeline.restoration.methods.classical import lanczos
from pipeline.training.enhancer import Crops, MendingTask, Penalty, enlarged, reduced, with_noise, worn
from pipeline.training.task import Schedule

SIZES: dict[int, dict[str, Any]] = {
    1: {"widths": [48, 80, 112], "blocks": [1, 2, 4]},
    2: {"scale": 2, "width": 48, "blocks": 4},
    4: {"scale": 4, "width": 64, "blocks": 12},
}
SIDES = {1: 64, 2: 96, 4: 128}  # pixels of a crop of the truth, where --side names none
FFT_WEIGHT = 0.05
SCALES = (0.6, 3.0)
MOST_NOISE = 50.0  # of 255
GAUSSIAN = 0.8  # share of the examples
PURPOSES = {
    1: "takes noise away; its level is an input; a fifth of its examples: other noise, JPEG, slight blur",
    2: "enlarges twice: what to add to Lanczos interpolation",
    4: "enlarges four times: what to add to Lanczos interpolation",
}


def main() -> None:
    """Parse the command line, train until the end or until the time is over, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, "enhancer")
    parser.set_defaults(out=None, state=None, batch_size=16, learning_rate=0.002, per_epoch=1600)
    parser.add_argument("--scale", type=int, choices=(1, 2, 4), required=True)
    parser.add_argument("--side", type=int, help=f"pixels of a crop (default, by scale: {SIDES})")
    parser.add_argument(
        "--scales", type=float, nargs=2, default=SCALES, metavar=("LEAST", "MOST"),
        help=f"ratios at which half of the crops are shown (default {SCALES}; 1 1: all as they are)",
    )  # fmt: skip
    parser.add_argument("--penalty", choices=("charbonnier", "log_mse"), default="charbonnier")
    arguments = parser.parse_args()
    scale = arguments.scale
    name = f"upscaler_x{scale}" if scale > 1 else "enhancer"
    root = paths.project_root()
    extra, used = read_folders(arguments.images, excluded(arguments.exclude), arguments.max_side)
    train = originals(root, "train") + extra
    architecture = "upscaler" if scale > 1 else "enhancer"
    network = build(architecture, SIZES[scale])
    if arguments.start_from:
        take_over(network, Path(arguments.start_from))
    schedule = Schedule(
        epochs=arguments.epochs, batch_size=arguments.batch_size, learning_rate=arguments.learning_rate,
        cosine=True, ema_decay=0.995, clip_norm=1.0, patience=0, seed=arguments.seed,
    )  # fmt: skip
    crops = Crops(
        side=arguments.side or SIDES[scale],
        per_epoch=arguments.per_epoch,
        validation=27,
        scales=tuple(arguments.scales),
    )
    task = make_task(scale, network, train, originals(root, "val"), crops, schedule, arguments.penalty)
    recipe = {**schedule.model_dump(mode="json"), "crops": crops.model_dump(mode="json")}
    recipe |= {"fft_weight": FFT_WEIGHT, "bf16": True, "loaders": environment.loaders()}
    recipe |= {"penalty": arguments.penalty}
    recipe |= {"most_noise": MOST_NOISE, "gaussian": GAUSSIAN} if scale == 1 else {"interpolation": "lanczos"}
    # Checkpoints of other pictures or settings are never gone on with.
    begun = arguments.start_from and str(arguments.start_from)
    key = value_sha256([recipe, SIZES[scale], begun, arguments.max_side, used, len(train)])[:16]
    state = (arguments.state or Path(f".state/pretrain_{name}")) / key
    best, history = fit(name, task, schedule, state, arguments)
    kept = max(history, key=lambda row: row["val_psnr"])
    card = {
        "purpose": PURPOSES[scale],
        "trained_on": {
            "demo_train_works": len(train) - len(extra),
            "works_of_given_folders": len(extra),
            "epochs": len(history),
        },
        "recipe": recipe,
        "figures": {key: round(value, 3) for key, value in kept.items() if "psnr" in key},
        "limits": "paintings in 8-bit sRGB; adds no detail that the picture does not suggest",
    }
    out = arguments.out or paths.PRETRAINED / name
    save_half(out, best, architecture, SIZES[scale], card)
    size = (out / "weights.safetensors").stat().st_size / 2**20
    print(f"{len(history)} epochs: {kept['val_psnr']:.2f} dB on val works; {out}: {size:.2f} MiB")


def make_task(
    scale: int,
    network: nn.Module,
    train: Pictures,
    validation: Pictures,
    crops: Crops,
    schedule: Schedule,
    penalty: Penalty,
) -> MendingTask:
    """The data, loss and validation of one of the networks."""
    if scale == 1:
        worsen: Any = partial(worn, most=MOST_NOISE, gaussian=GAUSSIAN)
        probes: Any = {f"sigma{level}": partial(with_noise, sigma=float(level)) for level in (15, 25)}
    else:
        worsen = partial(reduced, scale=scale, enlarge=lanczos)
        probes = {f"x{scale}": worsen}
    probes |= {f"{name}_enlarged": partial(enlarged, worsen=make, ratio=2) for name, make in probes.items()}
    return MendingTask(
        network,
        inputs=list(Enhancer.inputs if scale == 1 else Upscaler.inputs),
        train=train,
        validation=validation,
        worsen=worsen,
        probes=probes,
        crops=crops,
        batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        fft_weight=FFT_WEIGHT,
        bf16=True,
        seed=schedule.seed,
        penalty=penalty,
    )


def take_over(network: nn.Module, folder: Path) -> None:
    """Weights of a saved network where names and shapes are the same."""
    given, own = load_model(folder)[0].state_dict(), network.state_dict()
    same = {
        key: value.float() for key, value in given.items() if key in own and own[key].shape == value.shape
    }
    network.load_state_dict(own | same)
    say(f"{len(same)} of {len(own)} tensors are taken over from {folder}")


if __name__ == "__main__":
    main()
