"""How examples are made: groups of settings, apart from the tasks, which load torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat

from pipeline.params import StageParams

Penalty = Literal["charbonnier", "log_mse"]


class Crops(StageParams):
    """How many examples are made, and how large; a group inside a trainer's parameters."""

    side: int = Field(ge=16, le=512, multiple_of=16)  # pixels of the truth
    per_epoch: int = Field(ge=1)
    validation: int = Field(ge=1)
    # Least and largest ratio of half of the crops to the pictures' own size. Reduced they are sharper,
    # enlarged they are what a finer scan shows: smooth, with wide patterns that are no noise.
    scales: tuple[PositiveFloat, PositiveFloat] = (1.0, 1.0)


class DamagedExamples(StageParams):
    """How the detector's examples are made; a group inside the trainer's parameters.

    doubled: share of small pictures that are shown as they are looked at later: enlarged twice.
    """

    crop: int = Field(ge=32, le=512, multiple_of=16)
    per_picture: int = Field(ge=1, le=64)
    pictures: int = Field(ge=1)
    smallest: int = Field(ge=64)
    largest: int = Field(ge=64)
    doubled: float = Field(ge=0, le=1)
    validation_pictures: int = Field(ge=1)
