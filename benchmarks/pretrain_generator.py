"""Pretrain the generator's start weights on folders of paintings; stop and go on at will.

    python benchmarks/pretrain_generator.py --images DIR... --minutes 40 --out pretrained/generator

Sizes of the networks and the training settings are those of params.yaml, section train_generator
(its start_from, views and epochs are not used). A checkpoint is written after every epoch in --state: the
same command goes on from there, for another --minutes. Both networks are saved in half precision;
`train_generator.start_from: pretrained/generator` then starts from them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline import paths
from pipeline.archive.filetypes import SUFFIXES
from pipeline.archive.fixity import file_sha256, value_sha256
from pipeline.archive.images import read_rgb
from pipeline.errors import ItemError, PentimentoError
from pipeline.models.registry import build, save_model
from pipeline.params import load_params
from pipeline.progress import say, track
from pipeline.stages.train_generator import Params
from pipeline.training.families.generators.gan import GAN
from pipeline.training.loop import CHECKPOINT, Trainer, make_fabric
from pipeline.training.squares import views

READ_SIDE = 384  # pixels; views are cut from pictures of this size, as `prepare` packs them


def main() -> None:
    """Parse the command line, train until the time is over, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", nargs="+", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--out", type=Path, default=Path("pretrained/generator"))
    parser.add_argument("--state", type=Path, default=Path(".state/pretrain_generator"))
    parser.add_argument("--views", type=int, default=4, help="views of each picture (default 4)")
    arguments = parser.parse_args()
    params = load_params(paths.project_root() / paths.PARAMS, "train_generator", Params)
    params = params.model_copy(update={"start_from": None})
    gan: GAN = params.chosen
    files = sorted(
        path for folder in arguments.images for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES
    )
    pictures, used = read_views(files, params.side, arguments.views)
    recipe = {key: value for key, value in params.recipe().items() if key not in ("start_from", "views")}
    # Checkpoints of other pictures or settings are never gone on with.
    key = value_sha256([recipe, arguments.views, used])[:16]
    generator, discriminator, epochs = train(params, pictures, arguments.state / key, arguments.minutes * 60)
    card = {
        "kind": "start weights of the generator",
        "trained_on": {"works": len(used), "views_of_each": arguments.views, "epochs": epochs},
        "recipe": recipe,
    }
    save_half(arguments.out, generator, "gan_generator", gan.arguments(params.side), card)
    sizes = {
        "width": gan.discriminator_width,
        "side": params.side,
        "projected": gan.projected,
    }
    save_half(arguments.out / "discriminator", discriminator, "gan_discriminator", sizes, card)
    total = sum(path.stat().st_size for path in arguments.out.rglob("*.safetensors"))
    print(f"{epochs} epochs of {len(pictures)} views; {arguments.out}: {total / 2**20:.2f} MiB")


def read_views(files: list[Path], side: int, count: int) -> tuple[np.ndarray, list[str]]:
    """Views of every readable picture, and the SHA-256 of their files."""
    rng = np.random.default_rng(0)
    found, used = [], []
    for path in track(files, "reading pictures"):
        try:
            found += views(read_rgb(path, READ_SIDE), side, count, rng)
            used.append(file_sha256(path))
        except ItemError as error:
            say(f"left out: {path} {error}")
    if not found:
        raise PentimentoError("no readable picture in --images")
    return np.stack(found), used


def train(
    params: Params, pictures: np.ndarray, state: Path, seconds: float
) -> tuple[nn.Module, nn.Module, int]:
    """Train epoch by epoch until the time is over: the averaged generator, the discriminator, epochs."""
    end = time.monotonic() + seconds
    checkpoint = state / CHECKPOINT
    epochs = torch.load(checkpoint, weights_only=True)["epoch"] if checkpoint.exists() else 0
    while True:
        torch.manual_seed(params.seed)
        networks = params.chosen.networks(params.side)
        schedule = params.model_copy(update={"epochs": max(1, epochs), "cosine": False, "patience": 0})
        task = params.chosen.task(networks, pictures, schedule, state / "samples")
        trained = Trainer(task, schedule, state, make_fabric()).fit("pretrain generator")
        if time.monotonic() >= end:
            return trained, networks["discriminator"], schedule.epochs
        epochs = schedule.epochs + 1


def save_half(
    folder: Path, network: nn.Module, architecture: str, sizes: dict[str, Any], card: dict[str, Any]
) -> None:
    """Save a network in half precision."""
    half = build(architecture, sizes)
    half.load_state_dict(network.state_dict())
    save_model(folder, half.half(), architecture, sizes, card)


if __name__ == "__main__":
    main()
