"""Make the weights of one network by its recipe file: `python -m pipeline.weights NAME --out DIR`.

A recipe file, profiles/weights/NAME.yaml, holds every number: how pictures of given folders are used, the
parameters of the network's training stage, and the runs, one after the other, each with its changes.
The project's train and val works are learnt from; so `prepare` must have run (`pentimento weights` does it).
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pipeline import environment, paths
from pipeline.archive.fixity import file_sha256, value_sha256
from pipeline.errors import PentimentoError
from pipeline.params import StageParams, check_params, read_params
from pipeline.recipes.colour import COLOUR
from pipeline.recipes.detector import DETECTOR
from pipeline.recipes.generator import GENERATOR
from pipeline.recipes.mending import ENHANCER, UPSCALER_X2, UPSCALER_X4
from pipeline.recipes.recipe import Recipe, Trained, first_network, save, train
from pipeline.recipes.restorer import RESTORER

if TYPE_CHECKING:
    from lightning.fabric import Fabric
    from torch import nn

    from pipeline.recipes.pictures import Pictures

RECIPES: dict[str, Recipe[Any]] = {
    recipe.name: recipe
    for recipe in (RESTORER, DETECTOR, ENHANCER, COLOUR, UPSCALER_X2, UPSCALER_X4, GENERATOR)
}


class Data(StageParams):
    """How pictures of given folders are used.

    side: larger ones are reduced so that the longer side has so many pixels.
    kept: every so many of them are for validation; 0: none is.
    """

    side: int = Field(ge=64)
    kept: int = Field(ge=0)


class File(StageParams):
    """A recipe file.

    data: see Data.
    training: the parameters of the training; the section train_NAME of params.yaml has the same keys.
    runs: one after the other, each from the best epoch of the one before; what each changes in `training`.
    average: the share of the last run in the mean of its weights and those of the run before; null: no mean.
    """

    data: Data
    training: dict[str, Any]
    runs: tuple[dict[str, Any], ...] = Field(min_length=1)
    average: float | None = Field(ge=0, le=1)


def file_of(name: str, root: Path) -> Path:
    """The recipe file of a network.

    Raises:
        PentimentoError: when no network of ours has that name.
    """
    if name not in RECIPES:
        raise PentimentoError(f"there is no network '{name}'; there are: {', '.join(RECIPES)}")
    return root / paths.PROFILES / "weights" / f"{name}.yaml"


def read(name: str, root: Path) -> tuple[File, list[Any]]:
    """The recipe file of a network, and the parameters of its runs, all checked.

    Raises:
        PentimentoError: when there is no such network, or a value is not as it must be.
    """
    path, recipe = file_of(name, root), RECIPES[name]
    file = check_params(read_params(path), "recipe", File, str(path))
    runs = [
        check_params(_merged(file.training, changes), f"run {number}", recipe.params, str(path))
        for number, changes in enumerate(file.runs, start=1)
    ]
    if file.average is not None and len(runs) < 2:
        raise PentimentoError(f"{path}: average needs two runs, and there is one")
    return file, runs


def make(
    name: str,
    root: Path,
    out: Path,
    *,
    minutes: float | None = None,
    folders: list[Path] | None = None,
    exclude: Path | None = None,
) -> dict[str, Any]:
    """Train a network by its recipe file, and write its weights with their card; the card.

    Args:
        name: of the network.
        root: the project, whose train and val works are learnt from.
        out: the folder to write; a model that is there is replaced.
        minutes: a budget for the training, shared evenly among the runs; None: as long as the recipe says.
        folders: of further pictures.
        exclude: a text file that names pictures to leave out, one a line, with or without their suffix.

    Raises:
        PentimentoError: when something is missing or not as it must be.
    """
    from pipeline.recipes.pictures import of_archive, with_folders
    from pipeline.training.loop import first_only, make_fabric

    started = time.monotonic()
    recipe, (file, runs) = RECIPES.get(name), read(name, root)
    assert recipe is not None
    originals = recipe.originals(runs[0]) if recipe.originals else None
    if not (root / paths.PREPARED / "index.parquet").exists():
        raise PentimentoError(
            f"{root / paths.PREPARED} is missing; `pentimento weights {name}` makes it first"
        )
    pictures = of_archive(root / paths.WORKS, root / paths.PREPARED, root, originals)
    lines = exclude.read_text(encoding="utf-8").splitlines() if exclude else []
    leave_out = frozenset(Path(line.strip()).stem for line in lines if line.strip())
    pictures = with_folders(pictures, folders or [], file.data.side, file.data.kept, leave_out)
    fabric = make_fabric()
    share = None if minutes is None else minutes / len(runs)
    trained = _train(recipe, runs, root, pictures, fabric, share, file.average)
    first_only(fabric)
    more = {
        "recipe_file": {"name": file_of(name, root).name, "sha256": file_sha256(file_of(name, root))},
        "runs": [
            {
                "epochs": len(one.history),
                "figures": {k: round(v, 4) for k, v in one.history[one.kept].items()},
            }
            for one in trained
        ],
        "minutes": round((time.monotonic() - started) / 60, 1),
    }
    if file.average is not None:
        more["averaged"] = {"share_of_the_last_run": file.average, "figures": "of the last run alone"}
    return save(out, recipe, runs[-1], pictures, trained[-1], **more)


def _train(
    recipe: Recipe[Any],
    runs: list[Any],
    root: Path,
    pictures: Pictures,
    fabric: Fabric,
    minutes: float | None,
    average: float | None,
) -> list[Trained]:
    """All runs, one after the other; if asked for, the last network becomes a mean with the one before."""
    from pipeline.models.registry import build

    state = environment.state_dir(root) / paths.CHECKPOINTS / "weights" / recipe.name
    done: list[Trained] = []
    for params in runs:
        if done:
            network = build(recipe.architecture, done[-1].arguments)
            network.load_state_dict(done[-1].network.state_dict())
            first = (network, done[-1].arguments, _hash(network))
        else:
            first = first_network(recipe, params, root)
        # Checkpoints of other pictures or settings are never gone on with.
        where = [params.model_dump(mode="json"), pictures.described, environment.loaders(), fabric.world_size]
        done.append(train(recipe, params, pictures, first, state / value_sha256(where)[:16], fabric, minutes))
    if average is not None:
        before, last = (one.network.state_dict() for one in done[-2:])
        for key, values in last.items():
            if values.is_floating_point():
                values.lerp_(before[key].to(values), 1 - average)
    return done


def _hash(network: nn.Module) -> str:
    from hashlib import sha256

    from safetensors.torch import save as serialised

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    return sha256(serialised(state)).hexdigest()[:16]


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Values with changes, group by group."""
    merged = dict(values)
    for key, change in changes.items():
        old = merged.get(key)
        merged[key] = _merged(old, change) if isinstance(old, dict) and isinstance(change, dict) else change
    return merged


def main() -> int:
    """Parse the command line, train, print the card; 0 when it succeeded."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.weights", description=__doc__)
    parser.add_argument("name", choices=list(RECIPES), metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--images", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--exclude", type=Path, metavar="LIST")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        card = make(
            given.name, paths.project_root(), given.out,
            minutes=given.minutes, folders=given.images, exclude=given.exclude,
        )  # fmt: skip
    except (PentimentoError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(card, indent=1))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
