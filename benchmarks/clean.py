"""Measure what the enhancer does for slight blur and for JPEG blocks, beside classical methods.

    python benchmarks/clean.py --limit 10 --middle 256
    python benchmarks/clean.py --images DIR --quality 30 90 --blur 0.6 --json
    python benchmarks/clean.py --limit 10 --middle 256 --blur --quality 90 95 --level 4
    python benchmarks/clean.py --middle 512 --blur --quality --sigma 0 5 10

Pictures are the originals of the demo's test split, or those of a folder. They are blurred by a Gaussian
of --blur pixels and get a little noise (--noise, of 255), go through a JPEG of --quality, or get noise alone
(--sigma), and are rounded to 8 bit. `learnt` is the enhancer as mode `enhance` uses it where a TIFF is
written (for a JPEG: --jpeg-output tiff): it estimates the level of the noise, reads a JPEG's from the file's
table, and leaves a picture alone that seems to have little. `again` is what comes of it when it is saved as
a JPEG with the same table once more, which the mode therefore does not do. All others are told what they
would not know of a scan. `told` is the same network, which then leaves none alone: it is told the noise, and
for a JPEG the deviation of the damaged picture from the true one (or --level). So are the denoisers; the
sharpeners are told the blur. `nlm` is non-local means (Buades et al. 2005, the fast version), `tv` total
variation (Chambolle 2004), `bilateral` OpenCV's filter (Tomasi & Manduchi 1998), `unsharp` unsharp masking,
`lucy` Richardson and Lucy's deconvolution (1972, 1974); their strengths suit the demo's val split best.

The table shows PSNR (dB) and SSIM of whole pictures with 95 % bootstrap intervals over pictures, and
seconds of CPU time per megapixel, one thread each. The colours are not corrected here: see colour.py.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import pandas as pd
from improving import add_arguments, chosen, one_thread, print_table, report, ssim, timed, whole

from pipeline import paths
from pipeline.archive.canvas import Canvas
from pipeline.errors import PentimentoError
from pipeline.metrics import psnr
from pipeline.progress import track
from pipeline.recipes.pictures import Picture
from pipeline.restoration.methods.classical import LevelsAndDenoise
from pipeline.restoration.methods.interface import Pixels
from pipeline.restoration.methods.learnt_enhancer import LearntEnhancer
from pipeline.restoration.work.enhancing import improve
from pipeline.restoration.work.quantisation import luma_step
from pipeline.training.enhancer import eight_bit

FIRST = "damaged"
ITERATIONS = 8  # of Richardson and Lucy's: more of them raise the noise
BLOCK = 8  # pixels of a JPEG's


@dataclass(frozen=True)
class Damaged:
    """A picture to clean, in [0, 1], and what is known of it. `learnt` knows the file alone."""

    pixels: Pixels
    level: float  # of what is to be taken away, of [0, 1]
    blur: float = 0.0  # pixels
    file: bytes = b""  # of a JPEG
    quality: int = 100


Method = Callable[[Damaged], Any]


def main() -> None:
    """Parse the command line, damage and clean every picture, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    parser.add_argument("--blur", type=float, nargs="*", default=[0.5, 0.8], help="pixels (default 0.5 0.8)")
    parser.add_argument("--noise", type=float, default=2.0, help="beside the blur, of 255 (default 2)")
    parser.add_argument("--quality", type=int, nargs="*", default=[30, 50, 70, 90], help="of a JPEG")
    parser.add_argument("--sigma", type=float, nargs="*", default=[], help="of noise alone, of 255; 0: none")
    parser.add_argument("--level", type=float, help="what `told` is told, of 255 (default: what is true)")
    parser.add_argument("--model", type=Path, default=paths.PRETRAINED / "enhancer", metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    arguments = parser.parse_args()
    if any(blur <= 0 for blur in arguments.blur) or not all(1 <= q <= 100 for q in arguments.quality):
        parser.error("--blur takes widths above 0, --quality whole numbers from 1 to 100")
    if any(sigma < 0 for sigma in arguments.sigma):
        parser.error("--sigma takes deviations from 0")
    if not (arguments.blur or arguments.quality or arguments.sigma):
        parser.error("nothing to clean: name something by --blur, --quality or --sigma")
    one_thread()
    side, arguments.middle = arguments.middle, None
    pictures = [off_grid(picture, side) for picture in chosen(arguments)]
    table = measure(pictures, arguments, networks(arguments))
    found = report(table, "damage", FIRST)
    alone = table[table["method"] == "learnt"].groupby("damage", sort=False)["alone"].mean()
    found["left_alone"] = {str(kind): round(float(share), 3) for kind, share in alone.items()}
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    print_table(found, "damage", FIRST)
    print("left alone by `learnt`:", ", ".join(f"{k} {v:.0%}" for k, v in found["left_alone"].items()))


def measure(
    pictures: list[Picture], arguments: argparse.Namespace, learnt: dict[str, Method]
) -> pd.DataFrame:
    """One row of figures per picture, damage and method."""
    noise = arguments.noise / 255
    rows: list[dict[str, Any]] = []
    for number, picture in enumerate(track(pictures, "clean")):
        truth = picture.astype(np.float32) / np.float32(255)
        made: dict[str, Damaged] = {}
        for blur in arguments.blur:
            rng = np.random.default_rng([arguments.seed, number, round(100 * blur)])
            blurred = cv2.GaussianBlur(truth, (0, 0), blur)
            made[f"blur {blur:g}"] = Damaged(noisy(blurred, noise, rng), noise, blur)
        for sigma in arguments.sigma:
            rng = np.random.default_rng([arguments.seed, number, 1, round(100 * sigma)])
            made[f"noise {sigma:g}"] = Damaged(noisy(truth, sigma / 255, rng), sigma / 255)
        for quality in arguments.quality:
            file = as_jpeg(picture, quality)
            pixels = decoded(file)
            deviation = float(np.sqrt(np.mean(np.square(pixels - truth))))
            made[f"jpeg {quality}"] = Damaged(pixels, deviation, file=file, quality=quality)
        for kind, damaged in made.items():
            others = SHARPENERS if damaged.blur else DENOISERS if damaged.level else {}
            if damaged.file:
                others = {"again": partial(again, learnt["learnt"])} | others
            for name, method in (learnt | others).items():
                clean, seconds = timed(method, damaged)
                figures = {"psnr": psnr(clean, truth), "ssim": ssim(clean, truth), "seconds": seconds}
                about = {"damage": kind, "method": name, "picture": number, "megapixels": truth.size / 3e6}
                rows.append(about | figures | {"alone": float(np.array_equal(clean, damaged.pixels))})
    return pd.DataFrame(rows)


class Unguarded(LearntEnhancer):
    """The enhancer at any level of noise, were it next to none."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """See Enhancer."""
        level = np.full((1, 1, *pixels.shape[:2]), self.sigma, np.float32)
        return pixels + self._residual(pixels, pixels.shape, self.name, level)


def networks(arguments: argparse.Namespace) -> dict[str, Method]:
    """Doing nothing, the enhancer with its own estimate, and told."""
    fixed = None if arguments.level is None else arguments.level / 255
    learnt, told = (
        kind(arguments.model, arguments.engine, precision=arguments.precision)
        for kind in (LearntEnhancer, Unguarded)
    )
    for network in (learnt, told):
        network.sigma = 0.1
        whole(network, np.zeros((256, 256, 3), np.float32), arguments.tile)  # engines plan at first
    return {
        FIRST: lambda damaged: damaged.pixels,
        "learnt": partial(by_step, learnt, arguments.tile),
        "told": partial(by_network, told, fixed, arguments.tile),
    }


def by_step(network: LearntEnhancer, side: int, damaged: Damaged) -> Any:
    """The step of a restoration, from the 8-bit pixels and the file of a JPEG to new 8-bit pixels."""
    pixels = np.rint(damaged.pixels * 255).astype(np.uint8)
    window = slice(0, pixels.shape[0]), slice(0, pixels.shape[1])
    with (
        TemporaryDirectory() as folder,
        Canvas(pixels.shape, pixels.dtype, 3, Path(folder)) as canvas,
        Canvas(pixels.shape, pixels.dtype, 3, Path(folder)) as out,
    ):
        canvas.write(window, pixels)
        improve(canvas, out, network, LevelsAndDenoise(), side, luma_step(damaged.file))
        return out.read(window) / np.float32(255)


def by_network(network: Unguarded, fixed: float | None, side: int, damaged: Damaged) -> Pixels:
    """The network at the level that it is told."""
    network.sigma = damaged.level if fixed is None else fixed
    return whole(network, damaged.pixels, side)


def again(learnt: Method, damaged: Damaged) -> Pixels:
    """What `learnt` makes, saved as a JPEG like the one that it was made of."""
    return decoded(as_jpeg(np.rint(learnt(damaged) * 255).astype(np.uint8), damaged.quality))


def off_grid(picture: Any, side: int | None) -> Any:
    """The middle square of a picture, or all of it but its edge: begun in the middle of a JPEG's block.

    A picture that was a JPEG loses next to nothing when it is saved once more with the same blocks.
    """
    rows, columns = (max(0, length - (side or length)) // 2 // BLOCK * BLOCK for length in picture.shape[:2])
    moved = picture[rows + BLOCK // 2 :, columns + BLOCK // 2 :]
    return moved[:side, :side]


def noisy(pixels: Pixels, level: float, rng: np.random.Generator) -> Pixels:
    """A picture with white noise of a level, of [0, 1], rounded to 8 bit."""
    return eight_bit(pixels + rng.normal(0, level, pixels.shape))


def as_jpeg(picture: Any, quality: int) -> bytes:
    """A picture (H, W, 3), 8 bit, saved as JPEG, chroma at half the resolution."""
    return bytes(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


def decoded(file: bytes) -> Pixels:
    """The pixels of a JPEG, (H, W, 3) in [0, 1]."""
    pixels = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    return np.asarray(pixels, np.float32) / np.float32(255)


def by_means(damaged: Damaged) -> Any:
    """scikit-image's non-local means."""
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(
        damaged.pixels, 5, 6, 0.3 * damaged.level, fast_mode=True, sigma=damaged.level, channel_axis=2
    )


def by_variation(damaged: Damaged) -> Any:
    """scikit-image's total variation."""
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(damaged.pixels, weight=0.3 * damaged.level, channel_axis=2)


def by_bilateral(damaged: Damaged) -> Any:
    """OpenCV's bilateral filter over five pixels."""
    return cv2.bilateralFilter(damaged.pixels, 5, 3.5 * damaged.level, 1.5)


def by_unsharp(damaged: Damaged) -> Any:
    """Unsharp masking: what blurring once more takes away is added."""
    pixels = damaged.pixels
    return pixels + (pixels - cv2.GaussianBlur(pixels, (0, 0), damaged.blur))


def by_lucy(damaged: Damaged) -> Any:
    """scikit-image's deconvolution of each channel, mirrored outward so that no edge rings."""
    from skimage.restoration import richardson_lucy

    line = cv2.getGaussianKernel(9, damaged.blur)
    spread = (line @ line.T).astype(np.float32)
    around = np.pad(damaged.pixels, ((8, 8), (8, 8), (0, 0)), mode="symmetric")
    bands = [richardson_lucy(around[..., band], spread, ITERATIONS)[8:-8, 8:-8] for band in range(3)]
    return np.stack(bands, axis=2)


DENOISERS: dict[str, Method] = {"nlm": by_means, "bilateral": by_bilateral, "tv": by_variation}
SHARPENERS: dict[str, Method] = {"unsharp": by_unsharp, "lucy": by_lucy}

if __name__ == "__main__":
    try:
        main()
    except PentimentoError as error:
        raise SystemExit(str(error)) from None
