"""Train restorer: a network that refines a classical filling of cracks, scratches, losses, stains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.fabric import Fabric

from pipeline import paths
from pipeline.archive.atomic import atomic_path
from pipeline.archive.shards import Shards
from pipeline.damage.sheet import damage_sheet
from pipeline.errors import PentimentoError
from pipeline.models.patchgan import PatchDiscriminator
from pipeline.models.registry import save_model
from pipeline.progress import say
from pipeline.recipes.recipe import first_network
from pipeline.recipes.restorer import LIMITS, RESTORER, make_task
from pipeline.recipes.restorer import RestorerParams as Params
from pipeline.stage import Context, Files, Metrics, Stage
from pipeline.training.adversarial import AdversarialTask, AdversarialTrainer, PatchAdversarial
from pipeline.training.loop import Trainer, first_only, make_fabric
from pipeline.training.restorer import RestorerTask

INVENTS = "invents texture, in wide holes perhaps a repeating pattern, no motifs; 8-bit sRGB statistics"


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Train on the train split, keep the epoch that is best on the val split (see make_trainer)."""
    shards = Shards(inputs["prepared"])
    pictures = {split: [shards[row] for row in shards.rows(split)] for split in ("train", "val", "test")}
    for split in ("train", "val"):
        if not pictures[split]:
            raise PentimentoError(f"train_restorer: the {split} split is empty; see prepare.split")
    fabric = make_fabric()
    network, arguments, version = first_network(RESTORER, params, ctx.root)
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
        RESTORER.architecture,
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


STAGE = Stage(
    "train_restorer",
    Params,
    run,
    inputs={"prepared": paths.PREPARED, "start weights": paths.PRETRAINED / "restorer"},
    outputs={"restorer": paths.RESTORER, "plots": paths.plots("train_restorer")},
)
