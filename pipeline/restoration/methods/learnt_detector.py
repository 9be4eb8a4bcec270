"""The learnt detector: a trained network gives probabilities, and a rule turns them into a mask.

The network estimates for each pixel how probable damage is. The rule prefers to leave paint alone: probable
pixels count only where they are connected to certain ones, and a work with too few certain pixels is left as
it is. The rule's numbers are in the model's card. They were chosen on pictures that the network was not
trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.archive.tiling import Grid, within
from pipeline.errors import PentimentoError, StepFailed
from pipeline.models.hats import SMALL, described, doubled
from pipeline.models.inference import AnyEngine, Precision
from pipeline.models.network import open_network
from pipeline.restoration.methods.detect import as_rgb
from pipeline.restoration.methods.interface import Mask, Pixels, Position, sound
from pipeline.restoration.methods.registry import LEARNT, Opening, method

ARCHITECTURE = "damage_detector"
Map = NDArray[np.float32]  # (H, W), probabilities

_CELL = 1024  # pixels: a tile's side without its context; memory limits it
_LARGEST = 1536  # pixels of the longer side: 1.5 times the side of training pictures
_REDUCED = 4  # largest reduction: a stronger one would lose fine damage
_CLOSER = np.float32(2 / 3)  # weight of a small picture's enlarged pass, which finds thin damage better
_WIDEST = 32  # pixels: largest rim and wide of a rule; far less than a network's reach


@dataclass(frozen=True)
class Rule:
    """The thresholds that turn probabilities into a mask.

    probable: least probability of a pixel of the mask.
    certain: least probability of a certain pixel.
    core: least number of certain pixels in a patch of probable ones; the rule drops other patches.
    evidence: least evidence of a window; a window with less counts as undamaged. The evidence is the sum
        over patches of the square root of their certain pixels, divided by the square root of the window's
        pixels. Many small patches therefore count more than one large patch of the same area: a painted
        object is more often alone than a speck. In a restoration a window has 2,048 pixels a side, plus
        context; a smaller work is one window.
    margin: share of the picture's shorter side. Pixels closer to the border than this are never certain,
        because scans show frames, the edges of canvases and the background there. Damage that also reaches
        further in is still found.
    rim: most pixels by which wide patches grow; 0: they do not grow. Without a rim, the colour of a loss or
        a stain that remains at its outline would spread over the whole filled hole.
    wide: half the least width of a wide patch, in pixels.
    hint: least probability of a pixel of the rim.
    once: factor on `evidence` for pictures that are not small, because the network sees them only once.
    """

    probable: float
    certain: float
    core: int
    evidence: float
    margin: float = 0.0
    rim: int = 0
    wide: int = 0
    hint: float = 0.0
    once: float = 1.0

    def as_dict(self) -> dict[str, float]:
        """The value of `rule` in a card."""
        return asdict(self)

    @classmethod
    def of(cls, card: Mapping[str, Any], folder: Path) -> Rule:
        """Read the rule from a model's card.

        Raises:
            PentimentoError: when the card has no rule, or a number is out of range.
        """
        found: Any = card.get("rule")
        told = f"{folder / 'card.json'}: rule is {found!r}; it needs"
        try:
            values = {name: float(value) for name, value in dict(found).items()}
            whole = {name: int(values[name]) for name in ("core", "rim", "wide") if name in values}
            rule = cls(**values | whole)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            names = ", ".join(field.name for field in fields(cls))
            raise PentimentoError(f"{told} the numbers {names}") from None
        if not (
            0 < rule.probable <= rule.certain < 1 and rule.core >= 0 and rule.evidence >= 0 and rule.once >= 0
        ):
            raise PentimentoError(
                f"{told} 0 < probable <= certain < 1, core >= 0, evidence >= 0 and once >= 0"
            )
        if not 0 <= rule.margin < 0.5:
            raise PentimentoError(f"{told} 0 <= margin < 0.5")
        if not (0 <= rule.rim <= _WIDEST and 0 <= rule.wide <= _WIDEST and 0 <= rule.hint <= 1):
            raise PentimentoError(f"{told} rim and wide from 0 to {_WIDEST}, and 0 <= hint <= 1")
        return rule


class LearntDetector:
    """Finds damage with the network in a folder, in grey, RGB and CMYK pictures.

    The network sees a large picture reduced by two or by four, because damage then has the size that the
    network was trained on. It sees a small picture in two passes: at its own size and enlarged. It processes
    a window in tiles, each with the network's whole reach as context. Memory is therefore bounded, and the
    result shows no tile borders.

    Args: see open_network.

    Raises:
        PentimentoError: when the folder holds no detector, its card holds no valid rule, or the engine is
            not installed.
    """

    name = "learnt detector"

    def __init__(
        self,
        folder: Path,
        engine: AnyEngine = "auto",
        cache: Path | None = None,
        precision: Precision | None = None,
    ) -> None:
        network = open_network(folder, ARCHITECTURE, engine, cache, precision)
        self.rule = Rule.of(network.card, folder)
        self.session, self.multiple, self.reach = network.session, network.multiple, network.reach
        self.engine, self.libraries = network.engine, network.libraries

    def context(self, height: int, width: int) -> int:
        """See Detector."""
        factor = reduction(height, width)
        return factor * self.reach + factor - 1  # a reduced pixel may begin up to factor - 1 pixels earlier

    def __call__(self, pixels: Pixels, place: Position) -> Mask:
        """See Detector; 1 (grey), 3 (RGB) or 4 (CMYK) channels."""
        factor = reduction(place.height, place.width)
        seen, its_place = self.look(pixels, place)
        found = decide(seen, self.rule, its_place)
        if factor == 1:
            return found
        large = np.repeat(np.repeat(found, factor, axis=0), factor, axis=1)
        top, left = place.top % factor, place.left % factor
        return large[top : top + pixels.shape[0], left : left + pixels.shape[1]]

    def look(self, pixels: Pixels, place: Position) -> tuple[Map, Position]:
        """The probability of damage in a window (H, W, C) in [0, 1], at the size that the network sees.

        Returns:
            The map (h, w) in [0, 1] of the reduced window, and the window's position in the reduced picture.

        Raises:
            StepFailed: when the engine fails, or the network's result is not valid.
        """
        small, its_place = reduced(pixels, place, reduction(place.height, place.width))
        return self.probability(small, its_place), its_place

    def probability(self, pixels: Pixels, place: Position) -> Map:
        """The probability (H, W) in [0, 1] of any damage in a window (H, W, C), without reduction.

        Raises:
            StepFailed: when the engine fails, or the network's result is not valid.
        """
        colours = as_rgb(pixels) / np.float32(255.0)
        found = self._map(colours, place)
        if max(place.height, place.width) > SMALL:
            return found
        top, left, height, width = place.top, place.left, place.height, place.width
        large = self._map(doubled(colours), Position(2 * top, 2 * left, 2 * height, 2 * width))
        rows, columns = found.shape
        closer = large.reshape(rows, 2, columns, 2).mean(axis=(1, 3))
        return np.asarray(found + _CLOSER * (closer - found), np.float32)

    def _map(self, colours: Pixels, place: Position) -> Map:
        """The network's map (H, W) of a window (H, W, 3) in [0, 1], tile by tile."""
        # Align the network's grid with the whole picture, so results do not depend on the window.
        before = [start % self.multiple for start in (place.top, place.left)]
        after = [-(size + more) % self.multiple for size, more in zip(colours.shape, before, strict=False)]
        sides = [*zip(before, after, strict=True), (0, 0)]
        padded = np.pad(colours, sides, mode="symmetric")
        height, width = padded.shape[:2]
        found = np.empty((height, width), np.float32)
        for tile in Grid(_CELL, self.reach, align=self.multiple, blend=0).tiles(height, width):
            rows, columns = tile.window
            stops = [-(-side.stop // self.multiple) * self.multiple for side in tile.window]
            window = (slice(rows.start, stops[0]), slice(columns.start, stops[1]))
            found[tile.cell] = self._run(padded[window])[within(tile.cell, window)]
        return found[before[0] : before[0] + colours.shape[0], before[1] : before[1] + colours.shape[1]]

    def _run(self, pixels: Pixels) -> Map:
        maps = self.session.run(described(pixels)[None])
        if maps.ndim != 4 or maps.shape[2:] != pixels.shape[:2]:
            raise StepFailed(f"{self.name}: the maps' shape is {maps.shape} for a tile of {pixels.shape[:2]}")
        spared = np.prod(1 - sound(maps[0], self.name), axis=0)
        return np.asarray(1 - spared, np.float32)


def reduction(height: int, width: int) -> int:
    """The factor by which a picture is reduced before the network sees it: 1, 2 or 4."""
    factor = 1
    while factor < _REDUCED and max(height, width) > factor * _LARGEST:
        factor *= 2
    return factor


def reduced(pixels: Pixels, place: Position, factor: int) -> tuple[Pixels, Position]:
    """Reduce a window (H, W, C) by a factor, on the grid of the whole picture.

    A reduced pixel at the window's border may cover pixels outside it; mirrored pixels stand in for them.

    Returns:
        The reduced window (h, w, C), and its position in the reduced picture.
    """
    if factor == 1:
        return pixels, place
    import cv2

    before = (place.top % factor, place.left % factor)
    after = [-(size + more) % factor for size, more in zip(pixels.shape, before, strict=False)]
    padded = np.pad(pixels, [*zip(before, after, strict=True), (0, 0)], mode="symmetric")
    height, width, channels = padded.shape
    size = (width // factor, height // factor)
    small = cv2.resize(padded, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], channels)
    rest = Position(
        place.top // factor, place.left // factor, -(-place.height // factor), -(-place.width // factor)
    )
    return np.asarray(small, pixels.dtype), rest


def decide(probability: Map, rule: Rule, place: Position | None = None) -> Mask:
    """Turn a window's probabilities into a mask (H, W) by a rule (hysteresis after Canny 1986).

    Args:
        probability: (H, W) in [0, 1], of the window.
        rule: see Rule.
        place: the window's position; None: the window is the whole picture.
    """
    mask, evidence = patches(probability, rule, place)
    sides = (place.height, place.width) if place else probability.shape
    least = rule.evidence * (1.0 if max(sides) <= SMALL else rule.once)
    return mask if evidence >= least else np.zeros_like(mask)


def _with_rim(mask: Mask, probability: Map, rule: Rule) -> Mask:
    """Grow the wide patches of a mask (H, W) by the rule's rim; pixels beyond the border count as damage."""
    if rule.rim == 0:
        return mask
    import cv2

    inside = cv2.erode(mask.astype(np.uint8), _disc(rule.wide), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    reached = cv2.dilate(inside, _disc(rule.wide + rule.rim)) > 0
    return np.asarray(mask | (reached & (probability >= rule.hint)), np.bool_)


def _disc(radius: int) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2), np.uint8)


def patches(probability: Map, rule: Rule, place: Position | None = None) -> tuple[Mask, float]:
    """The patches with enough certain pixels, with their rims, and their evidence.

    Args: see decide.

    Returns:
        The mask (H, W), and the evidence, see Rule.
    """
    import cv2

    probable = np.asarray(probability >= rule.probable, np.uint8)
    count, labels = cv2.connectedComponents(probable, connectivity=8)
    inside = _inside(place or Position(0, 0, *probability.shape), probability.shape, rule.margin)
    certain = np.bincount(labels[inside][probability[inside] >= rule.certain], minlength=count)
    keep = certain >= max(1, rule.core)
    keep[0] = False  # the background
    evidence = float(np.sqrt(certain[keep]).sum() / np.sqrt(probability.size))
    return _with_rim(np.asarray(keep[labels]), probability, rule), evidence


def _inside(place: Position, window: tuple[int, ...], margin: float) -> tuple[slice, slice]:
    """The part of a window outside the margin at the picture's border; `margin`: of the shorter side."""
    edge = round(margin * min(place.height, place.width))
    rows, columns = (
        slice(max(0, edge - start), max(0, min(size, length - edge - start)))
        for start, size, length in zip(
            (place.top, place.left), window, (place.height, place.width), strict=True
        )
    )
    return rows, columns


@method("detect", LEARNT, weights=("detector",))
def _learnt(opening: Opening) -> LearntDetector:
    return LearntDetector(opening.folders["detector"], opening.engine)
