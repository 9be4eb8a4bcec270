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

LEAST_NOISE = 4.0 / 255  # the estimate is lower for nine of ten clean paintings, with their canvas
_UNDERESTIMATED = 1.1  # the smoothest blocks underestimate the noise
MOST_NOISE = 50.0 / 255  # largest noise in training
LEAST_STEP = 9.0  # mean step of a JPEG's table, about quality 92; finer steps lose too little to restore
_STEPS_A_LEVEL = 6.0  # best for demo works of the val split, quality 20 to 90
_MOST = 10.0 / 255  # a higher level smooths paint, however coarse the table is


class _Network:
    """A network in a folder, with its engine: the common part of LearntEnhancer and LearntUpscaler.

    Raises:
        PentimentoError: when the folder does not hold this architecture, or the engine is not installed.
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
        """The network's residual, (h, w, 3) or (h, w, 1), for a result of height h and width w in `shape`.

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
    """Removes noise and JPEG blocks with the network in a folder, then restores the picture's colours.

    The enhancer leaves noise below `LEAST_NOISE` and noise that seems to be texture. JPEG blocks hide noise,
    so for a JPEG the level also depends on its quantisation table (see `lost`). The colours stay
    where the colour model finds no fault. A picture that needs neither comes back bit for bit.

    Args:
        folder: holds card and weights.
        engine: the engine that runs the network. auto: the fastest one with next to no loss of quality (see
            inference.choose). Engines other than torch run the network as an ONNX model.
        cache: folder that caches the ONNX model. None: the state folder of the project that contains
            `folder`; outside a project the model is exported each time (seconds).
        colour: the model that restores colours; None leaves them unchanged.
        sigma: standard deviation of the noise, on the scale [0, 1]. None: the enhancer estimates it, and the
            loss of a JPEG, from the picture.
        precision: see inference.open_session; None is bf16 for OpenVINO. The residual is small, so bf16
            changes the result by less than one level of 8 bit.

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
        self.texture, self.blocks = False, 0.0  # blocks: noise level equivalent to the JPEG's loss
        self.colours: ColourMap | None = None

    @property
    def level(self) -> float:
        """The noise level that the network gets: a standard deviation, scale [0, 1]; 0: it does not run."""
        noise = self.sigma if self.sigma >= LEAST_NOISE and not self.texture else 0.0
        return min(max(noise, self.blocks), MOST_NOISE)

    @property
    def judged(self) -> Mapping[str, float | bool]:
        """See Enhancer.

        noise: the estimated noise, on the scale 0 to 255, like all levels here.
        texture: whether the noise counted as texture and was left.
        jpeg: the noise level equivalent to a JPEG's loss; 0: none.
        level: the level that the network got; 0: the picture was not denoised.
        colours: whether the colours were changed.
        """
        levels = {"noise": self.sigma, "jpeg": self.blocks, "level": self.level}
        told = {name: round(255 * value, 2) for name, value in levels.items()}
        recoloured = self.colours is not None and not self.colours.identity
        return {**told, "texture": self.texture, "colours": recoloured}

    def tuned(self, preview: Preview) -> LearntEnhancer:
        """See Enhancer: estimates noise from the samples' smoothest blocks, and colours from the overview."""
        tuned = copy(self)
        channels = preview.overview.shape[2]
        if self.given is None:
            tuned.sigma = _UNDERESTIMATED * noise_level(preview)
            tuned.texture = tuned.sigma >= LEAST_NOISE and is_texture(preview)
            tuned.blocks = lost(preview.luma_step) if channels != 4 else 0.0  # not trained on CMYK
        else:
            tuned.sigma, tuned.texture, tuned.blocks = self.given, False, 0.0
        rgb = channels == 3
        tuned.colours = self.colour.tuned(preview.overview) if self.colour is not None and rgb else None
        return tuned

    def __call__(self, pixels: Pixels) -> Pixels:
        """See Enhancer.

        Raises:
            StepFailed: also for a CMYK picture that needs denoising.
        """
        result = pixels
        if self.level:
            level = np.full((1, 1, *pixels.shape[:2]), self.level, np.float32)
            result = pixels + self._residual(pixels, pixels.shape, self.name, level)
        return result if self.colours is None else self.colours(np.clip(result, 0, 1))


class LearntUpscaler(_Network):
    """Enlarges with the network in a folder: Lanczos interpolation plus the network's residual.

    Args:
        folder: holds card and weights; the network's scale is 2 or 4.
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
        """See Enhancer: empty."""
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
    """The noise level, on the scale [0, 1], that is equivalent to a JPEG's loss; 0: too little to restore.

    Args:
        step: mean quantisation step of the JPEG's first component (see Preview); None: no JPEG.
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
