"""Train restorer: a network that refines a classical filling of cracks, scratches, losses, stains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.fabric import Fabric
from pydantic import Field

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.fixity import tree_sha256
from pipeline.archive.shards import Shards
from pipeline.damage import MASKED, damage
from pipeline.damage.sheet import damage_sheet
from pipeline.errors import PentimentoError
from pipeline.models.patchgan import PatchDiscriminator
from pipeline.models.registry import build, load_model, save_model
from pipeline.params import StageParams
from pipeline.progress import say
from pipeline.restoration.methods.fill import fillers
from pipeline.restoration.methods.interface import Mask, Pixels
from pipeline.restoration.methods.steps import ClassicalName
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.training.adversarial import AdversarialTask, AdversarialTrainer, PatchAdversarial
from pipeline.training.loop import Trainer, first_only, make_fabric
from pipeline.training.restorer import Examples, RestorerTask
from pipeline.training.task import Schedule

ARCHITECTURE = "residual_unet"
LIMITS = "invents no motifs: wide holes become smooth; 8-bit sRGB statistics"
INVENTS = "invents texture, in wide holes perhaps a repeating pattern, no motifs; 8-bit sRGB statistics"


class Network(StageParams):
    """The network's size: see ResidualUNet."""

    widths: tuple[int, ...] = Field(min_length=2)
    blocks: int = Field(ge=1)
    dilations: tuple[int, ...] = Field(min_length=1)


class Params(Schedule):
    """The damage, the network, and its training."""

    kinds: tuple[str, ...] = Field(min_length=1)
    start: ClassicalName
    start_from: str | None
    network: Network
    examples: Examples
    fft_weight: float = Field(ge=0.0)
    bf16: bool
    adversarial: PatchAdversarial


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Train on the train split, keep the epoch that is best on the val split (see make_trainer)."""
    shards = Shards(inputs["prepared"])
    pictures = {split: [shards[row] for row in shards.rows(split)] for split in ("train", "val", "test")}
    for split in ("train", "val"):
        if not pictures[split]:
            raise PentimentoError(f"train_restorer: the {split} split is empty; see prepare.split")
    fabric = make_fabric()
    network, arguments, version = first_network(params, ctx.root)
    task = make_task(network, params, pictures["train"], pictures["val"])
    trainer = make_trainer(task, params, ctx.checkpoints / version, fabric)
    best = trainer.fit("train_restorer")
    first_only(fabric)
    history = trainer.history
    kept = history[int(trainer.best["epoch"])]
    game = stakes(params.adversarial, trainer)
    save_model(
        outputs["restorer"],
        best,
        ARCHITECTURE,
        arguments,
        {
            "start": params.start,
            "purpose": "refines a classical filling of holes in pictures of paintings",
            "kinds": list(params.kinds),
            "started_from": version,
            "train_pictures": len(pictures["train"]),
            "val_psnr": round(kept["val_psnr"], 3),
            "val_psnr_start": round(kept["val_psnr_start"], 3),
            **({"adversarial": params.adversarial.model_dump() | game} if game else {}),
            "limits": INVENTS if game.get("adversarial_epochs") else LIMITS,
        },
    )
    with atomic_path(outputs["plots"]) as plots:
        plots.mkdir()
        table = pd.DataFrame(history).rename_axis("epoch").round(5)
        table.to_csv(plots / paths.HISTORY, lineterminator="\n")
        damage_sheet(plots / paths.DAMAGE_SHEET, pictures["train"][:5], params.seed)
    return {
        "val_psnr": round(kept["val_psnr"], 3),
        "val_psnr_start": round(kept["val_psnr_start"], 3),
        "gain_db": round(kept["val_psnr"] - kept["val_psnr_start"], 3),
        "epochs": len(history),
        "parameters": sum(weights.numel() for weights in best.parameters()),
        **game,
    }


def make_trainer(task: RestorerTask, params: Params, folder: Path, fabric: Fabric) -> Trainer:
    """The loop for a task: it keeps the best epoch; with a discriminator, see AdversarialTrainer."""
    settings = params.adversarial
    if settings.weight == 0:
        return Trainer(task, params, folder, fabric)
    if settings.from_epoch >= params.epochs:
        raise PentimentoError(
            f"train_restorer.adversarial.from_epoch is {settings.from_epoch}, but there are {params.epochs} "
            "epochs: the discriminator would never set in; lower it, or set adversarial.weight to 0"
        )
    torch.manual_seed(params.seed)
    discriminator = PatchDiscriminator(settings.width, settings.levels)
    return AdversarialTrainer(AdversarialTask(task, discriminator, settings), params, folder, fabric)


def stakes(settings: PatchAdversarial, trainer: Trainer) -> dict[str, Any]:
    """The discriminator's gain and cost in the kept epoch; empty without a discriminator."""
    if settings.weight == 0:
        return {}
    epoch = int(trainer.best["epoch"])
    kept, best = trainer.history[epoch], max(row["val_psnr"] for row in trainer.history)
    if epoch < settings.from_epoch:
        say(
            f"train_restorer: every epoch with the discriminator lost more than {settings.psnr_given_up} dB; "
            f"epoch {epoch + 1} is kept, which knows none. Lower adversarial.weight or raise psnr_given_up"
        )
    return {
        "adversarial_epochs": max(0, epoch + 1 - settings.from_epoch),
        "psnr_given_up": round(best - kept["val_psnr"], 3),
        "val_sharpness": round(kept["val_sharpness"], 3),
    }


def first_network(params: Params, root: Path) -> tuple[torch.nn.Module, dict[str, Any], str]:
    """The network to train, its arguments, and what it starts from: 'new' or a hash of weights."""
    if params.start_from is None:
        torch.manual_seed(params.seed)
        arguments: dict[str, Any] = params.network.model_dump(mode="json")
        return build(ARCHITECTURE, arguments), arguments, "new"
    folder = root / params.start_from
    network, card = load_model(folder)
    if card["architecture"] != ARCHITECTURE or card.get("start") != params.start:
        raise PentimentoError(
            f"train_restorer.start_from: {params.start_from} holds a '{card['architecture']}' that "
            f"starts at {card.get('start')!r}, not a '{ARCHITECTURE}' that starts at "
            f"'{params.start}'; change train_restorer.start or start_from"
        )
    return network.float(), card["arguments"], tree_sha256(folder)[:16]


def make_task(
    network: torch.nn.Module,
    params: Params,
    train: Sequence[Any],
    validation: Sequence[Any],
) -> RestorerTask:
    """The task for the loop, with this project's damage and classical start."""
    unknown = sorted(set(params.kinds) - set(MASKED))
    if unknown:
        raise PentimentoError(
            f"train_restorer.kinds: {', '.join(unknown)} leaves no holes to fill; "
            f"allowed are {', '.join(MASKED)}"
        )

    def one_kind(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
        return damage(pixels, [params.kinds[int(rng.integers(len(params.kinds)))]], rng)

    return RestorerTask(
        network,
        train=train,
        validation=validation,
        damage=one_kind,
        start=fillers()[params.start],
        examples=params.examples,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        fft_weight=params.fft_weight,
        bf16=params.bf16,
        seed=params.seed,
    )


STAGE = Stage(
    "train_restorer",
    Params,
    run,
    inputs={"prepared": paths.PREPARED, "start weights": paths.PRETRAINED / "restorer"},
    outputs={"restorer": paths.RESTORER, "plots": paths.plots("train_restorer")},
)
