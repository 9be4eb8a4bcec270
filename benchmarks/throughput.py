"""How fast archives are restored, and in how much memory; every part in one run, as ratios.

    python benchmarks/throughput.py [--parts speed workers whole tiny] [--json]
    python benchmarks/throughput.py --parts gigapixel [--side 32768]

    speed      MP/s of mode `conserve` on 12-megapixel scans (PNG, TIFF and JPEG) with 2 % damage: masks
               given, and looked for by the detector; filled as was measured to be best, and by Telea
    workers    one worker against two
    whole      the same fill by OpenCV and scikit-image on whole pictures, read and written by OpenCV
    tiny       ten thousand works of 64 x 48 pixels: first run, second run, 1 % new
    gigapixel  one TIFF of 32,768 x 32,768 pixels: peak memory, seconds, and how much steeper the filled
               picture is across the borders of tiles than it is there when it has no border there

Scans are the demo archive's paintings, enlarged, with grain; or --images DIR. A run is the command in
a process of its own, its start included. Networks are converted for the engine when a machine first uses
them; one small work is restored before anything is timed, so that this is not part of it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from figures import pictures, show
from gigapixel import BOUNDS, gigapixel
from scans import damage, enlarged, restore, telea_everywhere

PARTS = ("speed", "workers", "whole", "tiny", "gigapixel")
MEGAPIXELS = 12e6
LEAST = {"speed: MP/s, masks given": 3.0, "speed: MP/s, detected": 2.0, "workers: two over one": 1.7}
MOST = {"tiny: seconds with nothing new": 10.0, "tiny: 1 % new over the first run": 0.03, **BOUNDS}

Figures = dict[str, Any]


def main() -> None:
    """Measure the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[p for p in PARTS if p != "gigapixel"])
    parser.add_argument("--images", type=Path, metavar="DIR", help="pictures to make scans of")
    parser.add_argument("--scans", type=int, default=4, help="of each format")
    parser.add_argument("--works", type=int, default=10_000, help="of part tiny")
    parser.add_argument("--side", type=int, default=32_768, help="pixels, of part gigapixel")
    parser.add_argument("--methods", type=Path, help="methods.json; default: as `pentimento restore` has it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    figures: Figures = {}
    with tempfile.TemporaryDirectory() as folder:
        measure: dict[str, Callable[[Path, argparse.Namespace, Figures], None]] = {
            "speed": speed, "workers": workers, "whole": whole, "tiny": tiny, "gigapixel": gigapixel,
        }  # fmt: skip
        for part in dict.fromkeys(arguments.parts):
            measure[part](Path(folder), arguments, figures)
    show(figures, LEAST, MOST, arguments.json)


def speed(folder: Path, arguments: argparse.Namespace, figures: Figures) -> None:
    """Megapixels a second of two workers."""
    source, masks = scans(folder, arguments)
    figures["speed: scans"] = sum(1 for path in source.rglob("*") if path.is_file())
    given, two = ["--masks", str(masks)], ["--workers", "2"]
    quick = ["--methods", str(telea_everywhere(folder))]
    _tiny_work(folder / "first", folder / "first-masks", 1, np.random.default_rng(0))
    for options in (["--masks", str(folder / "first-masks")], []):
        restore(folder / "first", folder / "out", arguments, *options)
    for name, options in (
        ("masks given", given),
        ("detected", []),
        ("masks given, Telea", [*given, *quick]),
        ("detected, Telea", ["--detect", "classical", *quick]),
        *((f"{kind}, Telea", [*given, *quick, "--include", f"*.{kind}"]) for kind in ("png", "tif", "jpg")),
    ):
        run = restore(source, folder / "out", arguments, *options, *two)
        figures[f"speed: MP/s, {name}"] = round(run["megapixels"] / run["wall"], 2)
        figures[f"speed: restored, {name}"] = run["restored"]


def workers(folder: Path, arguments: argparse.Namespace, figures: Figures) -> None:
    """One worker against two; the order is one, two, one, so that a machine that warms up is noticed."""
    source, masks = scans(folder, arguments)
    options = ["--masks", str(masks), "--methods", str(telea_everywhere(folder)), "--workers"]
    walls = [restore(source, folder / "out", arguments, *options, n)["wall"] for n in ("1", "2", "1")]
    one = (walls[0] + walls[2]) / 2
    figures["workers: seconds by one, two, one"] = " ".join(f"{wall:.1f}" for wall in walls)
    figures["workers: two over one"] = round(one / walls[1], 2)


def whole(folder: Path, arguments: argparse.Namespace, figures: Figures) -> None:
    """OpenCV's Telea on whole pictures and scikit-image's biharmonic on a part, against ours, one thread."""
    source, masks = scans(folder, arguments)
    options = ["--masks", str(masks), "--workers", "1", "--methods", str(telea_everywhere(folder))]
    ours = restore(source, folder / "out", arguments, *options)["wall"]
    began = time.perf_counter()
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(masks / f"{path.relative_to(source)}.png"), cv2.IMREAD_GRAYSCALE)
        target = folder / "opencv" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), cv2.inpaint(picture, mask, 3.0, cv2.INPAINT_TELEA))
    theirs = time.perf_counter() - began
    figures["whole: Telea, seconds by OpenCV"] = round(theirs, 1)
    figures["whole: Telea, seconds by ours"] = round(ours, 1)
    figures["whole: Telea, OpenCV over ours"] = round(theirs / ours, 2)
    figures |= _biharmonic(source, masks)


def _biharmonic(source: Path, masks: Path) -> Figures:
    """One square megapixel in memory: it would take scikit-image minutes for a whole scan."""
    from skimage.restoration import inpaint_biharmonic

    from pipeline.restoration.methods.fill import fillers

    path = next(iter(sorted(source.rglob("*.png"))))
    window = np.s_[500:1500, 500:1500]
    pixels = (cv2.imread(str(path))[window] / np.float32(255)).astype(np.float32)
    mask = cv2.imread(str(masks / f"{path.relative_to(source)}.png"), cv2.IMREAD_GRAYSCALE)[window] > 127
    seconds = []
    for fill in (
        lambda: inpaint_biharmonic(pixels, mask, channel_axis=-1),
        lambda: fillers()["biharmonic"](pixels, mask),
    ):
        began = time.perf_counter()
        fill()
        seconds.append(time.perf_counter() - began)
    return {
        "whole: biharmonic of 1 MP, seconds": f"{seconds[0]:.1f} {seconds[1]:.1f}",
        "whole: biharmonic, scikit-image over ours": round(seconds[0] / seconds[1], 2),
    }


def tiny(folder: Path, arguments: argparse.Namespace, figures: Figures) -> None:
    """What a work costs beside its pixels."""
    source, masks, out = folder / "tiny", folder / "tiny-masks", folder / "tiny-out"
    rng = np.random.default_rng(0)
    many = arguments.works
    for number in range(many):
        _tiny_work(source, masks, number, rng)
    options = ["--masks", str(masks), "--workers", "2"]
    figures["tiny: works"] = many
    first = restore(source, out, arguments, *options, fresh=True)["wall"]
    second = restore(source, out, arguments, *options, fresh=False)["wall"]
    for number in range(many, many + many // 100):
        _tiny_work(source, masks, number, rng)
    third = restore(source, out, arguments, *options, fresh=False)
    assert third["restored"] + third["copied"] == many // 100
    figures["tiny: seconds of the first run"] = round(first, 1)
    figures["tiny: seconds with nothing new"] = round(second, 2)
    figures["tiny: seconds with 1 % new"] = round(third["wall"], 2)
    figures["tiny: 1 % new over the first run"] = round(third["wall"] / first, 4)


def _tiny_work(source: Path, masks: Path, number: int, rng: np.random.Generator) -> None:
    name = f"{number % 100:02d}/{number:06d}.{('png', 'jpg', 'tif', 'webp')[number % 4]}"
    hole = np.zeros((48, 64), np.uint8)
    if number % 5:
        hole[10:12, 5:60] = 255
        hole[20:32, 20:34] = 255
    pixels = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    for path, values in ((source / name, pixels), (masks / f"{name}.png", hole)):
        path.parent.mkdir(parents=True, exist_ok=True)
        lossless = [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix == ".webp" else []
        cv2.imwrite(str(path), values, lossless)


def scans(folder: Path, arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Scans of 12 megapixels with 2 % damage, and their masks; made once."""
    source, masks = folder / "scans", folder / "masks"
    if source.is_dir():
        return source, masks
    found = pictures(arguments.images)
    for number in range(arguments.scans):
        pixels = enlarged(found[number % len(found)], MEGAPIXELS, seed=number)
        mask = damage(pixels.shape[:2], number)
        pixels[mask > 0] = 245
        for suffix, options in (
            ("png", []),
            ("tif", [cv2.IMWRITE_TIFF_COMPRESSION, 5, cv2.IMWRITE_TIFF_ROWSPERSTRIP, 64]),  # LZW
            ("jpg", [cv2.IMWRITE_JPEG_QUALITY, 92]),
        ):
            path, hole = source / f"{number:02d}.{suffix}", masks / f"{number:02d}.{suffix}.png"
            for target, values, how in ((path, pixels, options), (hole, mask, [])):
                target.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(target), values, how)
    return source, masks


if __name__ == "__main__":
    main()
