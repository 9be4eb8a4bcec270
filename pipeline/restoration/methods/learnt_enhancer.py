"""The learnt steps `enhance` and `upscale`: local networks that run on windows of a picture.

A network predicts what to add to the window, or to its interpolation. Each output value depends only on
pixels within the network's reach, so windows that include that much context leave no seam.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import StepFailed
from pipeline.models.inference import AnyEngine, Array, Precision
from pipeline.models.network import open_network
from pipeline.restoration.methods.classical import Lanczos, is_texture, lanczos, noise_level
from pipeline.restoration.methods.interface import Pixels, Preview
from pipeline.restoration.methods.registry import LEARNT, Opening, method

if TYPE_CHECKING:
    from pipeline.restoration.methods.colour import ColourMap, ColourModel

LEAST_NOISE = 4.0 / 255  # nine of ten clean paintings are estimated to have less, canvas and all
_UNDERESTIMATED = 1.1  # the smoothest blocks show less noise than there is
MOST_NOISE = 50.0 / 255  # what the network was trained with, at most
LEAST_STEP = 9.0  # of a JPEG's table, about quality 92: what finer ones lose is too little to be given back
_STEPS_A_LEVEL = 6.0  # what restored demo works of the val split best, from quality 20 to 90
_MOST = 10.0 / 255  # more smooths paint, however coarse the table


class _Network:
    """A network in a folder, with its engine; see LearntEnhancer and LearntUpscaler.

    Raises:
        PentimentoError: when the folder holds another network, or the engine is not installed.
    """

    def __init__(
        self,
        folder: Path,
        architecture: str,
        engine: AnyEngine,
        cache: Path | None,
        precision: Precision | None,
    ) -> None:
        network = open_network(folder, architecture, engine, cache, precision)
        self.card, self.session = network.card, network.session
        self.multiple, self.reach = network.multiple, network.reach
        self.engine, self.libraries = network.engine, network.libraries

    def _residual(self, pixels: Pixels, shape: tuple[int, ...], name: str, *more: Array) -> Pixels:
        """What the network adds, (h, w, 3) or (h, w, 1), to something of that shape.

        Raises:
            StepFailed: when the picture is neither grey nor RGB, or the result has another shape.
        """
        channels = pixels.shape[2]
        if channels not in (1, 3):
            raise StepFailed(f"{name} knows grey and RGB, not {channels} channels")
        rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).transpose(2, 0, 1)[None]
        made = self.session.run(np.ascontiguousarray(rgb), *more)
        if made.shape != (1, 3, *shape[:2]):
            raise StepFailed(f"the result of {name} is {made.shape}, not {(1, 3, *shape[:2])}")
        values = made[0].transpose(1, 2, 0)
        return values if channels == 3 else np.asarray(values.mean(axis=2, keepdims=True), np.float32)


class LearntEnhancer(_Network):
    """Takes noise and JPEG blocks away by the network in a folder, then gives the picture's colours back.

    A picture whose noise is less than `LEAST_NOISE`, or seems to be texture, is not denoised, and one
    whose colours are judged sound keeps them. A JPEG's blocks hide noise: what is to be taken away there
    is known from its table (see `lost`). What needs none of it comes back bit for bit.

    Args:
        folder: card and weights.
        engine: what runs the network; auto is the fastest that costs next to no quality (see
            inference.choose). Engines other than torch run it as an ONNX model.
        cache: folder in which the ONNX model is kept; None is the state folder of the project that
            `folder` lies in; outside a project it is made each time (seconds).
        colour: what judges the colours; None leaves them alone.
        sigma: the noise's standard deviation, of [0, 1]; None judges it, and a JPEG's loss, from the
            picture.
        precision: see inference.open_session; None is bf16 for OpenVINO. What is added is small, so that
            bf16 costs less than a level of 8 bit.

    Raises:
        PentimentoError: when the folder holds no enhancer, or the engine is not installed.
        ValueError: when sigma is negative or not finite.
    """

    name = "learnt enhancer"
    scale = 1

    def __init__(
        self,
        folder: Path,
        engine: AnyEngine = "auto",
        cache: Path | None = None,
        colour: ColourModel | None = None,
        sigma: float | None = None,
        precision: Precision | None = None,
    ) -> None:
        super().__init__(folder, "enhancer", engine, cache, precision)
        if sigma is not None and not (np.isfinite(sigma) and sigma >= 0):
            raise ValueError(f"sigma is a standard deviation of [0, 1], not {sigma}")
        self.colour, self.given, self.sigma = colour, sigma, sigma or 0.0
        self.texture, self.blocks = False, 0.0  # blocks: the level that a JPEG's loss is taken for
        self.colours: ColourMap | None = None

    @property
    def level(self) -> float:
        """The standard deviation, of [0, 1], that the network is told; 0: the picture is not denoised."""
        noise = self.sigma if self.sigma >= LEAST_NOISE and not self.texture else 0.0
        return min(max(noise, self.blocks), MOST_NOISE)

    @property
    def judged(self) -> Mapping[str, float | bool]:
        """See Enhancer.

        noise: its estimate, of 255; texture: whether it was held for texture and left; jpeg: the level that
        a JPEG's loss was taken for, of 255, 0 for none; level: what the network was told, of 255, 0 when
        nothing was taken away; colours: whether they were changed.
        """
        levels = {"noise": self.sigma, "jpeg": self.blocks, "level": self.level}
        told = {name: round(255 * value, 2) for name, value in levels.items()}
        recoloured = self.colours is not None and not self.colours.identity
        return {**told, "texture": self.texture, "colours": recoloured}

    def tuned(self, preview: Preview) -> LearntEnhancer:
        """See Enhancer: the noise is measured where the samples are smoothest, the colours overall."""
        tuned = copy(self)
        channels = preview.overview.shape[2]
        if self.given is None:
            tuned.sigma = _UNDERESTIMATED * noise_level(preview)
            tuned.texture = tuned.sigma >= LEAST_NOISE and is_texture(preview)
            tuned.blocks = lost(preview.luma_step) if channels != 4 else 0.0  # the network knows no ink
        else:
            tuned.sigma, tuned.texture, tuned.blocks = self.given, False, 0.0
        rgb = channels == 3
        tuned.colours = self.colour.tuned(preview.overview) if self.colour is not None and rgb else None
        return tuned

    def __call__(self, pixels: Pixels) -> Pixels:
        """See Enhancer; ink (CMYK) is refused where it has noise."""
        result = pixels
        if self.level:
            level = np.full((1, 1, *pixels.shape[:2]), self.level, np.float32)
            result = pixels + self._residual(pixels, pixels.shape, self.name, level)
        return result if self.colours is None else self.colours(np.clip(result, 0, 1))


class LearntUpscaler(_Network):
    """Enlarges by the network in a folder: Lanczos interpolation, and what the network adds to it.

    Args:
        folder: card and weights; the network's scale is 2 or 4.
        engine: see LearntEnhancer.
        cache: see LearntEnhancer.
        precision: see LearntEnhancer.

    Raises:
        PentimentoError: when the folder holds no upscaler, or the engine is not installed.
    """

    name = "learnt upscaler"

    def __init__(
        self,
        folder: Path,
        engine: AnyEngine = "auto",
        cache: Path | None = None,
        precision: Precision | None = None,
    ) -> None:
        super().__init__(folder, "upscaler", engine, cache, precision)
        self.scale = int(self.card["arguments"]["scale"])
        self.reach = max(self.reach, Lanczos.reach)

    @property
    def judged(self) -> Mapping[str, float | bool]:
        """See Enhancer: nothing."""
        return {}

    def tuned(self, preview: Preview) -> LearntUpscaler:
        """See Enhancer: itself."""
        del preview
        return self

    def __call__(self, pixels: Pixels) -> Pixels:
        """See Enhancer."""
        larger = lanczos(pixels, self.scale)
        return larger + self._residual(pixels, larger.shape, self.name)


def lost(step: float | None) -> float:
    """The level of noise, of [0, 1], that an enhancer is to take a JPEG's loss for; 0: leave it alone.

    Args:
        step: mean quantisation step of the JPEG's first component, as `Preview` has it.
    """
    if step is None or step < LEAST_STEP:
        return 0.0
    return min(_MOST, step / _STEPS_A_LEVEL / 255)


@method("enhance", LEARNT, weights=("enhancer", "colour"))
def _enhance(opening: Opening) -> LearntEnhancer:
    from pipeline.restoration.methods.colour import ColourModel

    colour = ColourModel(opening.folders["colour"], opening.engine)
    return LearntEnhancer(opening.folders["enhancer"], opening.engine, colour=colour)


@method("upscale", LEARNT, weights=("upscaler_x{scale}",))
def _upscale(opening: Opening) -> LearntUpscaler:
    return LearntUpscaler(opening.folders[f"upscaler_x{opening.scale}"], opening.engine)
