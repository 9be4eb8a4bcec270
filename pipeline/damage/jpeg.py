"""JPEG: blocks and ringing of strong compression; the whole picture changes."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.damage.texture import Mask, Pixels
from pipeline.errors import PentimentoError


def jpeg(pixels: Pixels, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Saved as JPEG at a quality of 12 to 70; the mask is empty."""
    quality = round(float(np.exp(rng.uniform(np.log(12), np.log(70)))))
    whole = np.round(pixels * 255).astype(np.uint8)[..., ::-1]
    done, data = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise PentimentoError(f"damage 'jpeg': a picture of shape {pixels.shape} cannot be saved as JPEG")
    saved = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[..., ::-1]
    return saved.astype(np.float32) / np.float32(255), np.zeros(pixels.shape[:2], np.bool_)
