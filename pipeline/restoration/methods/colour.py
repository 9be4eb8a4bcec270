"""Restore the colours of a whole picture: one curve per channel undoes fading and yellow varnish.

The curves are estimated once, from the picture's overview. Then every pixel goes through them, so all
windows of a picture get the same colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PentimentoError, StepFailed
from pipeline.models.cells import cells
from pipeline.models.inference import AnyEngine
from pipeline.models.network import open_network
from pipeline.restoration.methods.interface import Pixels

ARCHITECTURE = "colour_net"


@dataclass(frozen=True)
class ColourMap:
    """A point operation: one increasing curve for each of red, green and blue.

    curves: (3, K), the values in [0, 1] at K evenly spaced points of [0, 1]; None: the identity.
    """

    curves: NDArray[np.float32] | None = None

    @property
    def identity(self) -> bool:
        """Whether the map leaves pictures unchanged."""
        return self.curves is None

    def __call__(self, pixels: Pixels) -> Pixels:
        """Map pixels (H, W, C) in [0, 1] to the same shape and range; the identity returns the same array.

        Raises:
            PentimentoError: when the map has curves and the picture has no three channels.
        """
        if self.curves is None:
            return pixels
        if pixels.shape[2] != len(self.curves):
            raise PentimentoError(f"colour: curves for RGB cannot work on {pixels.shape[2]} channels")
        knots = np.linspace(0, 1, self.curves.shape[1])
        result = np.empty(pixels.shape, np.float32)
        for channel, curve in enumerate(self.curves):
            result[..., channel] = np.interp(pixels[..., channel], knots, curve)
        return result


class ColourModel:
    """Estimates with a network whether a picture is faded or yellowed, and the curves that undo it.

    The model leaves grey and CMYK pictures unchanged: the network was trained on colours of paintings in RGB.

    Args:
        folder: holds card and weights.
        engine: the engine that runs the network, see inference.choose. Engines other than torch run it as
            an ONNX model.
        cache: folder that caches the ONNX model. None: the state folder of the project that contains
            `folder`; outside a project the model is exported each time (seconds).

    Raises:
        PentimentoError: when the folder holds no such model, or the engine is not installed.
    """

    name = "learnt colour"

    def __init__(self, folder: Path, engine: AnyEngine = "auto", cache: Path | None = None) -> None:
        network = open_network(folder, ARCHITECTURE, engine, cache, "fp32")
        self.session, self.engine, self.libraries = network.session, network.engine, network.libraries
        least = network.card.get("least_change")
        if not isinstance(least, int | float) or least < 0:
            raise PentimentoError(
                f"{folder / 'card.json'}: least_change is {least!r}; it needs a colour difference, 0 or more"
            )
        self.least_change = float(least)

    def tuned(self, overview: Pixels) -> ColourMap:
        """The map for a picture, estimated from its overview (h, w, C) in [0, 1].

        The map is the identity in three cases: the overview would change by less than the card's
        `least_change` (mean colour difference, CIEDE2000), C is not 3, or the picture is all grey.

        Raises:
            StepFailed: when the engine fails, or the network's result is not valid.
        """
        if overview.shape[2] != 3 or not overview.size or _is_grey(overview):
            return ColourMap()
        seen = cells(np.ascontiguousarray(overview))
        curves = self.session.run(seen.transpose(2, 0, 1)[None])
        if curves.ndim != 3 or curves.shape[:2] != (1, 3):
            raise StepFailed(f"{self.name}: the result's shape is {curves.shape}")
        # A curve may leave [0, 1]: where fading lifted black, it maps dark values below 0. They are clipped.
        if not np.isfinite(curves).all():
            raise StepFailed(f"the result of {self.name} is not finite")
        found = ColourMap(np.maximum.accumulate(np.clip(curves[0], 0, 1), axis=1))
        pixel = seen[..., -3:]
        return found if difference(found(pixel), pixel) >= self.least_change else ColourMap()


def difference(one: Pixels, other: Pixels) -> float:
    """The mean colour difference, CIEDE2000 (CIE 142), of two sRGB pictures (H, W, 3) in [0, 1]."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    return float(deltaE_ciede2000(rgb2lab(one), rgb2lab(other)).mean())  # type: ignore[no-untyped-call]


def _is_grey(overview: Pixels) -> bool:
    """Whether all channels are equal: a grey picture saved as RGB must stay grey."""
    return bool((np.ptp(overview, axis=2) < 1 / 255).all())
