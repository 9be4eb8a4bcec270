"""Settings of a restoration: the section `restore` of params.yaml, which the command uses too."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from pipeline.params import StageParams

Detect = Literal["auto", "none", "classical"]


class Settings(StageParams):
    """What a restored work depends on, beside its bytes, its mask, the model and the code."""

    mode: Literal["conserve"]
    detect: Detect
    methods: PurePosixPath
    model: PurePosixPath
    fallback: Literal["telea", "navier_stokes", "biharmonic"]
    jpeg_output: Literal["jpeg", "tiff"]
    state_source_type: bool
    max_damage: float = Field(gt=0, le=1)
    max_megapixels: float = Field(gt=0)
    max_failure_ratio: float = Field(ge=0, le=1)
    shard_megapixels: float = Field(gt=0)
