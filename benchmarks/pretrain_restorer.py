"""Pretrain the restorer's start weights on folders of paintings; stop and go on at will.

    python benchmarks/pretrain_restorer.py --images DIR... --exclude LIST --epochs 80 --minutes 40

Trains on the demo archive's train split (data/prepared) and on the given folders; validates on the
val split. The network and all settings but those given are those of params.yaml, section
train_restorer. A checkpoint is written after every epoch in --state: the same command goes on from
there. --minutes ends the run early, at the end of an epoch; --export-only trains nothing and saves
the best epoch so far. The weights are saved in half precision;
`train_restorer.start_from: pretrained/restorer` then starts from them.

LIST is a text file: one picture's name (with or without its suffix) or folder-relative path a line.
Leave out whatever the model will be measured on.
"""

from __future__ import annotations

import argparse

from pretraining import add_arguments, excluded, fit, read_folders, save_half

from pipeline import environment, paths
from pipeline.archive.fixity import value_sha256
from pipeline.archive.shards import Shards
from pipeline.params import load_params
from pipeline.stages.train_restorer import ARCHITECTURE, Params, first_network, make_task


def main() -> None:
    """Parse the command line, train until the end or until the time is over, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser, "restorer")
    arguments = parser.parse_args()
    root = paths.project_root()
    params = load_params(root / paths.PARAMS, "train_restorer", Params)
    changes = {"start_from": arguments.start_from, "epochs": arguments.epochs, "patience": 0}
    changes |= {"learning_rate": arguments.learning_rate or 0.002, "seed": arguments.seed}
    changes |= {"batch_size": arguments.batch_size or params.batch_size}
    examples = {"pictures": arguments.per_epoch or params.examples.pictures}
    changes |= {"examples": params.examples.model_copy(update=examples)}
    changes |= {"adversarial": params.adversarial.model_copy(update={"weight": 0.0})}
    params = params.model_copy(update=changes)
    shards = Shards(root / paths.PREPARED)
    extra, used = read_folders(arguments.images, excluded(arguments.exclude), arguments.max_side)
    train = [shards[row] for row in shards.rows("train")] + extra
    validation = [shards[row] for row in shards.rows("val")]
    network, sizes, started = first_network(params, root)
    task = make_task(network, params, train, validation)
    recipe = params.model_dump(mode="json", exclude={"start_from"})
    recipe |= {"loaders": environment.loaders()}
    # Checkpoints of other pictures or settings are never gone on with.
    key = value_sha256([recipe, started, arguments.max_side, used, len(train)])[:16]
    best, history = fit("restorer", task, params, arguments.state / key, arguments)
    kept = max(history, key=lambda row: row["val_psnr"])
    card = {
        "start": params.start,
        "purpose": "start weights of the restorer: refines a classical filling of holes",
        "started_from": started,
        "trained_on": {
            "demo_train_works": len(train) - len(extra),
            "works_of_given_folders": len(extra),
            "epochs": len(history),
        },
        "recipe": recipe,
        "val_psnr": round(kept["val_psnr"], 3),
        "val_psnr_start": round(kept["val_psnr_start"], 3),
        "limits": "invents no motifs: wide holes become smooth; 8-bit sRGB statistics",
    }
    save_half(arguments.out, best, ARCHITECTURE, sizes, card)
    size = (arguments.out / "weights.safetensors").stat().st_size / 2**20
    print(
        f"{len(history)} epochs: {kept['val_psnr']:.2f} dB in the holes of val works, "
        f"{kept['val_psnr_start']:.2f} dB before; {arguments.out}: {size:.2f} MiB"
    )


if __name__ == "__main__":
    main()
