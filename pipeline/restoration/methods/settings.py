"""Settings of a restoration: the section `restore` of params.yaml, which the command uses too."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from pydantic import Field, field_validator

from pipeline.models.inference import AnyEngine
from pipeline.params import StageParams
from pipeline.restoration.methods.fill import ClassicalName
from pipeline.restoration.methods.own_models import OwnModel
from pipeline.restoration.methods.shelf import Shelf

_TAKEN = frozenset(("auto", "none", "classical", "learnt", *get_args(ClassicalName)))

Mode = Literal["conserve", "enhance", "upscale"]


class Settings(StageParams):
    """What a restored work depends on, beside its bytes, its mask, the models and the code."""

    mode: Mode
    scale: Literal[2, 4]
    detect: str
    fill: str
    enhance: str
    upscale: str
    models: dict[str, OwnModel]
    trained: PurePosixPath
    pretrained: PurePosixPath
    engine: AnyEngine
    fallback: ClassicalName
    tile: int = Field(ge=256, multiple_of=64)
    jpeg_output: Literal["jpeg", "tiff"]
    state_source_type: bool
    max_damage: float = Field(gt=0, le=1)
    max_megapixels: float = Field(gt=0)
    max_failure_ratio: float = Field(ge=0, le=1)
    shard_megapixels: float = Field(gt=0)

    @field_validator("models")
    @classmethod
    def _own_names(cls, models: dict[str, OwnModel]) -> dict[str, OwnModel]:
        if taken := sorted(_TAKEN & models.keys()):
            raise ValueError(f"a model of yours cannot be called {taken[0]}: that names a method already")
        return models

    def rooted(self, root: Path) -> Settings:
        """The settings with the paths of models resolved against a project's root."""
        home = root.resolve()
        models = {
            name: model.model_copy(update={"path": PurePosixPath(home / model.path)})
            for name, model in self.models.items()
        }
        folders = {
            "trained": PurePosixPath(home / self.trained),
            "pretrained": PurePosixPath(home / self.pretrained),
        }
        return self.model_copy(update={"models": models, **folders})

    @property
    def shelf(self) -> Shelf:
        """Where trained models are found."""
        return Shelf(Path(self.trained), Path(self.pretrained))
