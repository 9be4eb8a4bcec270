"""What each choice in the filler's recipe is worth: one line trained for the same number of updates.

    python benchmarks/ablation.py --line base telea --updates 600
    python benchmarks/ablation.py --updates 600 --json

Every line is the base with one thing changed, trained from new weights on the demo archive's train split
(the same seed, crops and damage), then measured in the holes of its test split. The base: a biharmonic
start, gated convolutions, Charbonnier's penalty in the holes relative to the start's error.

    tension, telea, navier_stokes    another start to refine
    plain                   convolutions without gates, as wide
    fourier                 gated convolutions with a Fourier unit in the lowest level (Suvorov et al. 2022)
    narrow, deep            half the channels; one more level
    reach                   dilated blocks in the lowest level: three times the reach
    absolute                the penalty of the pixels as it is, not relative to the start's error
    spectrum                the spectrum's error beside it, at a weight of 0.1
    perceptual              distance of Lite0's feature maps beside it, at a weight of 0.1
    zoom                    half of the pictures shown as enlarged parts, as finer scans are
    adversarial             a discriminator of patches beside it, from half of the epochs on; the last epoch
    double, fourfold        the base, trained two and four times as long

Figures: PSNR (dB) in the holes, mean over works, by kind of damage; gain over biharmonic filling with a 95 %
bootstrap interval over works; sharp: how steep the holes are beside the truth, 1 = as steep;
minutes of CPU time that the training took, one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline import paths
from pipeline.archive.shards import Shards
from pipeline.damage import damage
from pipeline.evaluation.restoration import score
from pipeline.models.lite0 import Lite0
from pipeline.models.registry import build
from pipeline.models.surroundings import surroundings
from pipeline.models.unet import GatedBlock, ResidualUNet
from pipeline.params import load_params
from pipeline.progress import track
from pipeline.resampling.bootstrap import mean_interval
from pipeline.restoration.methods.fill import fillers
from pipeline.stages.train_restorer import ARCHITECTURE, Params, make_task, make_trainer
from pipeline.training.adversarial import steepness
from pipeline.training.loop import make_fabric
from pipeline.training.restorer import RestorerTask, hole_mean
from pipeline.training.task import Batch, Row

KINDS = ("cracks", "scratches", "losses")
WEIGHT = 0.1  # of the spectrum's and the perceptual error
SEED = 5  # of the damage that is measured on

Changes = dict[str, Any]
LINES: dict[str, Changes] = {
    "base": {},
    "tension": {"start": "tension"},
    "telea": {"start": "telea"},
    "navier_stokes": {"start": "navier_stokes"},
    "plain": {"blocks": "plain"},
    "fourier": {"blocks": "fourier"},
    "narrow": {"network": {"widths": [16, 24, 32]}},
    "deep": {"network": {"widths": [32, 48, 64, 96]}},
    "reach": {"network": {"dilations": [1, 2, 4]}},
    "absolute": {"loss": "absolute"},
    "spectrum": {"fft_weight": WEIGHT},
    "perceptual": {"loss": "perceptual"},
    "zoom": {"zoom": 3.0},
    "adversarial": {"weight": 0.1},
    "double": {"times": 2},
    "fourfold": {"times": 4},
}


def main() -> None:
    """Parse the command line, train and measure the lines asked for, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--line", nargs="+", choices=LINES, default=[*LINES])
    parser.add_argument("--updates", type=int, default=600, help="of a line (default 600)")
    parser.add_argument("--limit", type=int, help="only so many test works")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    root = paths.project_root()
    shards = Shards(root / paths.PREPARED)
    train, val, test = ([shards[row] for row in shards.rows(split)] for split in ("train", "val", "test"))
    if not arguments.json:
        print(heading())
    found = {}
    for line in arguments.line:
        network, start, minutes = train_line(LINES[line], arguments.updates, train, val, root)
        found[line] = measure(network, start, test[: arguments.limit]) | {"minutes": round(minutes, 1)}
        if not arguments.json:
            print(row(line, found[line]), flush=True)
    if arguments.json:
        print(json.dumps(found, indent=1))


def train_line(
    changes: Changes, updates: int, train: list[Any], val: list[Any], root: Path
) -> tuple[nn.Module, str, float]:
    """A line's network, its classical start, and the minutes of CPU time that its training took."""
    params = load_params(root / paths.PARAMS, "train_restorer", Params)
    per_epoch = params.examples.pictures * params.examples.per_picture // params.batch_size
    update = {
        "start": changes.get("start", "biharmonic"),
        "network": params.network.model_copy(update=changes.get("network", {})),
        "examples": params.examples.model_copy(update={"zoom": changes.get("zoom", 1.0)}),
        "fft_weight": changes.get("fft_weight", 0.0),
        "epochs": max(1, round(updates * changes.get("times", 1) / per_epoch)),
        "learning_rate": 0.002,
        "start_from": None,
        "patience": 0,
    }
    params = params.model_copy(update=update)
    adversarial = {"weight": changes.get("weight", 0.0), "from_epoch": params.epochs // 2}
    adversarial["psnr_given_up"] = 100.0  # what it costs is to be seen
    params = params.model_copy(update={"adversarial": params.adversarial.model_copy(update=adversarial)})
    torch.manual_seed(params.seed)
    network = build(ARCHITECTURE, params.network.model_dump(mode="json"))
    if kind := changes.get("blocks"):
        exchange(network, PlainBlock if kind == "plain" else FourierBlock, everywhere=kind == "plain")
    task = make_task(network, params, train, val)
    if loss := changes.get("loss"):
        task.__class__ = AbsoluteTask if loss == "absolute" else PerceptualTask
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        best = make_trainer(task, params, Path(folder), make_fabric()).fit("ablation")
        minutes = (time.process_time() - began) / 60
    return best.cpu(), params.start, minutes


def measure(network: nn.Module, start: str, pictures: list[Any]) -> dict[str, Any]:
    """PSNR in the holes by kind, and the gain over biharmonic filling with its interval over works."""
    fill, biharmonic = fillers()[start], fillers()["biharmonic"]
    values: dict[str, list[float]] = {kind: [] for kind in KINDS}
    gains: list[list[float]] = []
    steep = np.zeros(2)
    for number, picture in enumerate(track(pictures, "measuring")):
        truth = picture.astype(np.float32) / np.float32(255)
        gains.append([])
        for place, kind in enumerate(KINDS):
            damaged, mask = damage(truth, [kind], np.random.default_rng([SEED, number, place]))
            if not mask.any():
                continue
            refined = refine(network, fill(damaged, mask), mask)
            steep += [tensor_steepness(pixels, mask) for pixels in (refined, truth)]
            psnr = score(refined, truth, mask)["psnr"]
            values[kind].append(psnr)
            gains[-1].append(psnr - score(biharmonic(damaged, mask), truth, mask)["psnr"])
    means = {kind: round(float(np.mean(found)), 3) for kind, found in values.items()}
    means["sharpness"] = round(float(steep[0] / steep[1]), 3)
    return means | {"gain": mean_interval(np.array([np.mean(found) for found in gains if found]))}


def tensor_steepness(pixels: Any, mask: Any) -> float:
    """See steepness; of a picture (H, W, 3) and its holes (H, W)."""
    picture = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]
    return float(steepness(picture, torch.from_numpy(mask)[None, None].float()))


def refine(network: nn.Module, filled: Any, mask: Any) -> Any:
    """A filled picture (H, W, 3) with its holes refined by the network, values in [0, 1]."""
    multiple = max(8, int(network.multiple))
    lacking = [(0, -size % multiple) for size in mask.shape]
    picture = np.pad(filled, [*lacking, (0, 0)], mode="edge").astype(np.float32)
    holes = np.pad(mask, lacking).astype(np.float32)
    around = surroundings(picture)
    with torch.inference_mode():
        normal = torch.from_numpy(around.normal(picture).transpose(2, 0, 1).copy())[None]
        residual = network(normal, torch.from_numpy(holes)[None, None])[0].permute(1, 2, 0).numpy()
    refined = picture + residual * around.spread_contrast() * holes[..., None]
    return np.clip(refined[: mask.shape[0], : mask.shape[1]], 0, 1)


class PlainBlock(nn.Module):
    """A residual block of two 3 x 3 convolutions, the gated block's without its gate."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.value = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        refined: Tensor = self.out(functional.silu(self.value(features)))
        return features + refined


class FourierBlock(GatedBlock):
    """A gated block and a Fourier unit: a 1 x 1 convolution of the spectrum, which sees all of the crop."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__(channels, dilation)
        self.spectral = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.back = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.back.weight)
        nn.init.zeros_(self.back.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, H, W) to features of the same shape."""
        spectrum = torch.fft.rfft2(features.float(), norm="ortho")
        parts = functional.relu(self.spectral(torch.cat([spectrum.real, spectrum.imag], dim=1))).float()
        changed = torch.complex(*parts.chunk(2, dim=1))
        globally = torch.fft.irfft2(changed, s=features.shape[-2:], norm="ortho")
        refined: Tensor = super().forward(features)
        return refined + self.back(globally)


def exchange(network: nn.Module, block: type[nn.Module], *, everywhere: bool) -> None:
    """Put other blocks in the place of the gated ones, at every level or at the lowest only."""
    assert isinstance(network, ResidualUNet)
    levels = [*network.down, *network.up] if everywhere else []
    for level in [*levels, network.middle]:
        for place, old in enumerate(level):
            channels, dilation = old.out.out_channels, old.value.dilation[0]
            level[place] = block(channels, dilation)


class AbsoluteTask(RestorerTask):
    """The penalty of the pixels as it is: wide holes, whose errors are large, count most."""

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """The mean absolute error in the holes."""
        error = (self.refined(networks["restorer"], batch) - batch["truth"]).abs()
        loss = hole_mean(error, batch["mask"]).mean()
        return loss, {"loss": float(loss.detach())}


class PerceptualTask(RestorerTask):
    """The base's penalty and a distance of feature maps (Johnson et al. 2016), those of Lite0."""

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """The loss of the base, and the mean absolute difference of the maps of the third stage."""
        loss, figures = super().loss(phase, batch, networks)
        both = torch.cat([self.refined(networks["restorer"], batch), batch["truth"]])
        made, wanted = feature_maps(both).chunk(2)
        return loss + WEIGHT * (made - wanted.detach()).abs().mean(), figures


@cache
def trunk() -> Any:
    """The pretrained network's layers."""
    return Lite0().eval().requires_grad_(False).trunk


def feature_maps(pictures: Tensor) -> Tensor:
    """Lite0's maps (N, 40, H/8, W/8) of pictures (N, 3, H, W) in [0, 1]."""
    layers = trunk()
    maps = layers._swish(layers._bn0(layers._conv_stem((pictures * 255 - 127) / 128)))
    for block in layers._blocks[:5]:
        maps = block(maps)
    found: Tensor = maps
    return found


def heading() -> str:
    """The table's first line."""
    return (
        f"{'line':14} "
        + " ".join(f"{kind:>10}" for kind in KINDS)
        + f" {'over biharmonic':>22} {'sharp':>6} {'min':>6}"
    )


def row(line: str, found: dict[str, Any]) -> str:
    """A line's figures."""
    gain = found["gain"]
    return (
        f"{line:14} "
        + " ".join(f"{found[kind]:10.2f}" for kind in KINDS)
        + f" {gain['value']:+8.2f} [{gain['low']:+.2f}, {gain['high']:+.2f}]"
        + f" {found['sharpness']:6.2f} {found['minutes']:6.1f}"
    )


if __name__ == "__main__":
    main()
