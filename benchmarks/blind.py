"""Measure mode `conserve` on paintings and damage that no model has seen: find the damage, then fill it.

    python benchmarks/blind.py --patterns DIR
    python benchmarks/blind.py --images DIR --detector learnt --limit 20 --json
    python benchmarks/blind.py --enlarge 3 --detector learnt --kinds undamaged cracks

Every painting is damaged by each kind in turn (pipeline/restoration/damage, seeds that no training draws)
and by a crack pattern of --patterns (pictures, black on white), laid over it as dark or pale paint. Each
detector looks for the damage; what it finds is filled by the learnt filler. Without damage, the same
paintings must come back as they are.

Figures, with 95 % bootstrap intervals over paintings:
    F1         of the found pixels against the damaged ones, none forgiven; one work's mean
    F1 seen    the same, less the pixels that damage changed by less than one notices (delta-E 2.3): whether
               such a one was found counts neither way
    F1 +-1     F1, forgiving one pixel to each side
    F1 pooled  F1 of the pixels of all paintings together: wide damage decides
    gain       PSNR of the whole picture after filling, less that of the damaged one, in dB
    changed    share of an undamaged painting's pixels that would change
    copies     share of undamaged paintings in which nothing is found: they come back byte for byte

The paintings are the demo archive's test split (originals, --side pixels at most) unless --images says
otherwise. Detectors are called directly, as `pentimento restore` calls them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from improving import add_enlarge, larger
from numpy.typing import NDArray

from pipeline import environment, paths
from pipeline.archive.filetypes import SUFFIXES
from pipeline.archive.images import read_rgb
from pipeline.archive.shards import INDEX
from pipeline.catalog.originals import read_originals, works_of
from pipeline.damage import MASKED, damage
from pipeline.damage.texture import shown
from pipeline.errors import ItemError
from pipeline.evaluation.detection import compare, noticeable
from pipeline.metrics import psnr
from pipeline.progress import say, track
from pipeline.resampling.bootstrap import Interval, mean_interval
from pipeline.restoration.methods.detect import ClassicalDetector
from pipeline.restoration.methods.interface import Detector, Filler, FillFailed, Mask, Pixels, Position
from pipeline.restoration.methods.learnt_detector import LearntDetector
from pipeline.restoration.methods.learnt_filler import LearntFiller

PATTERNS = ("patterns, dark", "patterns, pale")
CLEAN = "undamaged"
GOALS = {"f1": 0.75, "gain": 3.0, "changed": 0.005, "copies": 0.8}
_UNSEEN = 771_001  # seeds of trainings are small numbers
_SHADES = {PATTERNS[0]: (0.02, 0.25), PATTERNS[1]: (0.75, 0.95)}


def main() -> None:
    """Parse the command line, damage, detect, fill and compare, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--patterns", type=Path, metavar="DIR", help="crack patterns, black on white")
    parser.add_argument("--images", type=Path, metavar="DIR", help="clean paintings (default: test split)")
    parser.add_argument("--side", type=int, default=1024, help="longer side at most (default 1024)")
    add_enlarge(parser)
    parser.add_argument("--model", type=Path, default=paths.PRETRAINED / "detector", metavar="DIR")
    parser.add_argument(
        "--restorer", type=Path, metavar="DIR", help="default: the trained, else the pretrained"
    )
    parser.add_argument("--detector", nargs="+", choices=["classical", "learnt"])
    parser.add_argument("--kinds", nargs="+", choices=[*MASKED, *PATTERNS, CLEAN], metavar="KIND")
    parser.add_argument("--limit", type=int, help="only so many paintings")
    parser.add_argument("--seed", type=int, default=0, help="of damage and of the choice of patterns")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    cv2.setNumThreads(environment.threads())
    pictures = [larger(picture, arguments.enlarge) for picture in _paintings(arguments)]
    patterns = _files(arguments.patterns) if arguments.patterns else []
    if not pictures or (arguments.patterns and not patterns):
        parser.error(f"no picture in {arguments.patterns if pictures else arguments.images}")
    kinds = arguments.kinds or [*MASKED, *(PATTERNS if patterns else ()), CLEAN]
    if set(kinds) & set(PATTERNS) and not patterns:
        parser.error("--kinds names patterns: give their folder by --patterns DIR")
    known: dict[str, Detector] = {}
    for name in arguments.detector or ["classical", "learnt"]:
        known[name] = ClassicalDetector() if name == "classical" else LearntDetector(arguments.model)
    table = measure(pictures, kinds, known, _filler(arguments.restorer), patterns, arguments.seed)
    figures = summarise(table)
    print(json.dumps(figures, indent=1) if arguments.json else as_text(figures, len(pictures)))


def measure(
    pictures: Sequence[NDArray[np.uint8]],
    kinds: Sequence[str],
    detectors: dict[str, Detector],
    filler: Filler,
    patterns: Sequence[Path],
    seed: int,
) -> pd.DataFrame:
    """One row of figures per painting, kind and detector; pictures are rounded to 8 bits."""
    rows: list[dict[str, Any]] = []
    for number, picture in enumerate(track(pictures, "blind")):
        clean = picture.astype(np.float32) / np.float32(255)
        place = Position(0, 0, *clean.shape[:2])
        for kind in kinds:
            rng = np.random.default_rng([_UNSEEN, seed, number, _number(kind)])
            damaged, mask = _damaged(clean, kind, patterns, rng)
            damaged = np.round(damaged * 255).astype(np.float32) / np.float32(255)
            for name, detector in detectors.items():
                began = time.perf_counter()
                found = detector(damaged, place)
                seconds = time.perf_counter() - began
                row = {"kind": kind, "detector": name, "work": number, "found": float(found.mean())}
                row |= {"seconds_per_megapixel": seconds / mask.size * 1e6, "copies": float(not found.any())}
                if kind != CLEAN:
                    row |= compare(found, mask) | _restored(clean, damaged, found, filler)
                    row |= {"hits": float((found & mask).sum()), "either": float(found.sum() + mask.sum())}
                    tell = ~mask | noticeable(clean, damaged)
                    row["f1_seen"] = compare(found & tell, mask & tell)["f1"]
                rows.append(row)
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> dict[str, dict[str, dict[str, Interval | float]]]:
    """detector -> kind (and 'all damage', 'all patterns') -> figure -> interval."""
    found: dict[str, dict[str, dict[str, Interval | float]]] = {}
    for name, rows in table.groupby("detector", sort=False):
        groups = {str(kind): part for kind, part in rows.groupby("kind", sort=False)}
        for title, members in (("all damage", MASKED), ("all patterns", PATTERNS)):
            part = rows[rows["kind"].isin(members)]
            if len(part):
                # A work's figures hang together: it is drawn with all its kinds or not at all.
                groups[title] = part.groupby("work").mean(numeric_only=True)
        found[str(name)] = {title: _figures(title, part) for title, part in groups.items()}
    return found


def as_text(figures: dict[str, dict[str, dict[str, Any]]], works: int) -> str:
    """The figures as a table, and whether they reach the goals."""
    lines = [f"{works} paintings; mean [95 % interval over paintings]"]
    lines.append(
        f"{'detector':10} {'damage':15} {'F1':>18} {'F1 seen':>7} {'F1 +-1':>7} {'F1 pooled':>9} "
        f"{'precision':>9} {'recall':>7} {'damaged dB':>10} {'gain dB':>21}"
    )
    for name, kinds in figures.items():
        for kind, row in kinds.items():
            if kind == CLEAN:
                continue
            f1, gain = row["f1"], row["gain"]
            lines.append(
                f"{name:10} {kind:15} {f1['value']:5.3f} [{f1['low']:.3f},{f1['high']:.3f}] "
                f"{row['f1_seen']['value']:7.3f} {row['f1_soft']['value']:7.3f} {row['f1_pooled']:9.3f} "
                f"{row['precision']['value']:9.3f} {row['recall']['value']:7.3f} "
                f"{row['psnr_damaged']['value']:10.2f} "
                f"{gain['value']:6.2f} [{gain['low']:5.2f},{gain['high']:5.2f}]"
            )
    for name, kinds in figures.items():
        speed = np.mean([row["seconds_per_megapixel"] for row in kinds.values()])
        lines.append(f"{name:10} detects {1 / speed:.1f} megapixels a second")
        if CLEAN in kinds:
            changed, copies = kinds[CLEAN]["found"], kinds[CLEAN]["copies"]
            lines.append(
                f"{name:10} undamaged: changed {changed['value']:.3%} [{changed['low']:.3%},"
                f"{changed['high']:.3%}], copies {copies['value']:.0%} [{copies['low']:.0%},"
                f"{copies['high']:.0%}]; goals {GOALS['changed']:.1%} and {GOALS['copies']:.0%}"
            )
    lines.append(f"goals: F1 {GOALS['f1']}, gain {GOALS['gain']} dB")
    return "\n".join(lines)


def _figures(kind: str, rows: pd.DataFrame) -> dict[str, Interval | float]:
    names = ["found", "copies"]
    if kind != CLEAN:
        names += ["f1", "f1_seen", "f1_soft", "precision", "recall", "psnr_damaged", "psnr_restored", "gain"]
    found: dict[str, Interval | float] = {name: mean_interval(rows[name].to_numpy()) for name in names}
    if kind != CLEAN:
        found["f1_pooled"] = float(2 * rows["hits"].sum() / max(1.0, rows["either"].sum()))
    found["seconds_per_megapixel"] = round(float(rows["seconds_per_megapixel"].mean()), 3)
    return found


def _damaged(
    clean: Pixels, kind: str, patterns: Sequence[Path], rng: np.random.Generator
) -> tuple[Pixels, Mask]:
    if kind == CLEAN:
        return clean, np.zeros(clean.shape[:2], np.bool_)
    if kind not in PATTERNS:
        return damage(clean, [kind], rng)
    drawn = _laid(patterns[int(rng.integers(len(patterns)))], clean.shape, rng)
    colour = rng.uniform(*_SHADES[kind]) + rng.normal(0, 0.02, 3)
    opacity = drawn[..., None] * rng.uniform(0.85, 1.0)
    return shown(clean, (clean + (colour - clean) * opacity).astype(np.float32))


def _laid(path: Path, shape: tuple[int, ...], rng: np.random.Generator) -> Mask:
    """A pattern over a whole picture: as it is and mirrored on, or enlarged by up to what it lacks."""
    pattern = np.rot90(read_rgb(path)[..., 0] < 128, int(rng.integers(4))).astype(np.float32)
    lacking = max(1.0, *(length / size for length, size in zip(shape, pattern.shape, strict=False)))
    factor = float(rng.uniform(1.0, lacking))
    large = cv2.resize(pattern, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR) > 0.5
    short = [max(0, length - size) for length, size in zip(shape, large.shape, strict=False)]
    return np.asarray(np.pad(large, [(0, rest) for rest in short], "symmetric")[: shape[0], : shape[1]])


def _restored(clean: Pixels, damaged: Pixels, found: Mask, filler: Filler) -> dict[str, float]:
    everywhere = np.ones_like(found)
    before = psnr(damaged, clean, everywhere)
    try:
        filled = filler(damaged, found) if found.any() else damaged
    except FillFailed as error:
        say(f"not filled, counted as no gain: {error}")
        filled = damaged
    after = psnr(np.round(filled * 255).astype(np.float32) / np.float32(255), clean, everywhere)
    return {"psnr_damaged": before, "psnr_restored": after, "gain": after - before}


def _paintings(arguments: argparse.Namespace) -> list[NDArray[np.uint8]]:
    if arguments.images is None:
        root = paths.project_root()
        works = works_of(root / paths.WORKS, root / paths.PREPARED / INDEX, "test").sort_values("id")
        return list(read_originals(works[: arguments.limit], root, arguments.side))
    pictures: list[NDArray[np.uint8]] = []
    for path in _files(arguments.images):
        if len(pictures) == arguments.limit:
            break
        try:
            pictures.append(read_rgb(path, arguments.side))
        except ItemError as error:
            say(f"left out: {path} {error}")
    return pictures


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    # A limit takes some of everything, not the first folder.
    return [files[place] for place in np.random.default_rng(0).permutation(len(files))]


def _filler(folder: Path | None) -> Filler:
    if folder is None:
        folder = paths.RESTORER if paths.RESTORER.is_dir() else paths.PRETRAINED / "restorer"
    return LearntFiller(folder)


def _number(kind: str) -> int:
    """A number for a kind that stays when kinds are added."""
    return int.from_bytes(kind.encode()[:6], "big") % 2**31


if __name__ == "__main__":
    main()
