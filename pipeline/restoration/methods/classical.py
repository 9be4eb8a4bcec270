"""The classical methods of the steps `enhance` and `upscale`; they need no trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from pipeline.restoration.methods.interface import Pixels, Preview
from pipeline.restoration.methods.registry import CLASSICAL, Opening, method

_CLEAN = 2.0 / 255  # lower noise is left alone: it may be the texture of the canvas
_SPAN = 0.7  # a picture that uses this share of [0, 1] is not faded
_GAIN = 1.6  # largest factor by which contrast is stretched
_RANGE = (0.5, 99.5)  # percentiles: values beyond them are dust and glare
_BLOCK = 16  # pixels: side of the blocks, of which the smoothest show noise without texture
_GROWS = 1.1  # noise that grows by this factor in the half-size picture is texture of canvas or paint


@dataclass(frozen=True)
class LevelsAndDenoise:
    """Non-local means where there is noise, then contrast stretched where it has faded.

    All channels are stretched alike, because a picture alone does not tell yellow varnish from gold ground.
    The method estimates noise and levels from the picture; a clean picture comes back bit for bit.
    Non-local means: Buades, Coll & Morel 2005.

    low, high: values in [0, 1] that become black and white.
    sigma: standard deviation of the noise, on the scale [0, 1].
    """

    low: float = 0.0
    high: float = 1.0
    sigma: float = 0.0

    name = "levels and non-local means"
    reach = 12
    scale = 1
    multiple = 1

    @property
    def judged(self) -> Mapping[str, float | bool]:
        """See Enhancer: the removed noise, and the levels that become black and white; scale 0 to 255."""
        noise = self.sigma if self.sigma >= _CLEAN else 0.0
        return {
            name: round(255 * v, 2) for name, v in (("noise", noise), ("low", self.low), ("high", self.high))
        }

    def tuned(self, preview: Preview) -> LevelsAndDenoise:
        """See Enhancer; the levels of CMYK pictures are not stretched."""
        low, high = 0.0, 1.0
        if preview.overview.shape[2] != 4:
            first, last = (float(value) for value in np.percentile(preview.overview.mean(axis=2), _RANGE))
            if last - first < _SPAN:
                low, high = _levels(first, last)
        return replace(self, low=low, high=high, sigma=noise_level(preview))

    def __call__(self, pixels: Pixels) -> Pixels:
        """See Enhancer."""
        result = pixels
        if self.sigma >= _CLEAN:
            from skimage.restoration import denoise_nl_means

            flat = pixels.shape[2] == 1  # scikit-image takes no channel axis of one
            result = denoise_nl_means(
                pixels[..., 0] if flat else pixels, patch_size=5, patch_distance=6, h=0.6 * self.sigma,
                sigma=self.sigma, fast_mode=True, channel_axis=None if flat else 2, preserve_range=True,
            ).reshape(pixels.shape)  # fmt: skip
        if (self.low, self.high) != (0.0, 1.0):
            result = np.clip((result - self.low) / (self.high - self.low), 0.0, 1.0)
        return np.asarray(result, np.float32)


@dataclass(frozen=True)
class Lanczos:
    """Enlarges by Lanczos resampling over eight pixels (Turkowski 1990)."""

    scale: int

    name = "lanczos"
    reach = 8
    multiple = 1

    @property
    def judged(self) -> Mapping[str, float | bool]:
        """See Enhancer: empty."""
        return {}

    def tuned(self, preview: Preview) -> Lanczos:
        """See Enhancer: itself."""
        del preview
        return self

    def __call__(self, pixels: Pixels) -> Pixels:
        """See Enhancer."""
        return lanczos(pixels, self.scale)


def lanczos(pixels: Pixels, scale: int) -> Pixels:
    """Enlarge (H, W, C) in [0, 1] to (H * scale, W * scale, C); overshoot is clipped to [0, 1]."""
    import cv2

    size = (pixels.shape[1] * scale, pixels.shape[0] * scale)
    larger = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_LANCZOS4)
    return np.asarray(np.clip(larger, 0.0, 1.0), np.float32).reshape(size[1], size[0], pixels.shape[2])


def _levels(first: float, last: float) -> tuple[float, float]:
    """Black and white point that stretch a picture towards its full range, by `_GAIN` at most."""
    gain = min(_GAIN, _SPAN / max(last - first, 1e-3))
    span = 1.0 / gain
    # The unused range is divided between black and white in the same proportion as before.
    room = max(1.0 - (last - first), 1e-6)
    low = first - (span - (last - first)) * (first / room)
    return low, low + span


def noise_level(preview: Preview) -> float:
    """Standard deviation of the noise, on the scale [0, 1].

    Method: Immerkaer 1996, in the smoothest tenth of the samples' blocks. 0 when all samples are too small.
    """
    import cv2

    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    found = []
    for sample in preview.samples:
        grey = np.ascontiguousarray(sample.mean(axis=2))
        answer = np.abs(cv2.filter2D(grey, -1, kernel))
        rows, columns = (size // _BLOCK * _BLOCK for size in grey.shape)
        if rows and columns:
            blocks = answer[:rows, :columns].reshape(rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK)
            found.append(blocks.mean(axis=(1, 3)).ravel())
    if not found:
        return 0.0
    channels = preview.overview.shape[2]
    # The mean of the channels has less noise than each of them.
    return float(np.quantile(np.concatenate(found), 0.1) * np.sqrt(np.pi / 2) / 6 * np.sqrt(channels))


def is_texture(preview: Preview) -> bool:
    """Whether `noise_level` measures texture (canvas, grain of paint, JPEG artefacts) and not noise.

    The test averages 2 x 2 pixels, which halves the size of the picture. This halves the noise of single
    pixels. Texture keeps its strength, or seems to grow.
    """
    halves = tuple(_halved(sample) for sample in preview.samples)
    return noise_level(replace(preview, samples=halves)) > _GROWS * noise_level(preview)


def _halved(pixels: Pixels) -> Pixels:
    rows, columns = (size // 2 * 2 for size in pixels.shape[:2])
    fours = pixels[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2, pixels.shape[2])
    return np.asarray(fours.mean(axis=(1, 3)), np.float32)


@method("enhance", CLASSICAL, libraries=("scikit-image",))
def _enhance(opening: Opening) -> LevelsAndDenoise:
    del opening
    return LevelsAndDenoise()


@method("upscale", CLASSICAL)
def _upscale(opening: Opening) -> Lanczos:
    return Lanczos(opening.scale)
