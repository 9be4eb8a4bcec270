"""Settings of a restoration: the section `restore` of params.yaml, which the command uses too."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, get_args

from pydantic import Field, field_validator
from pydantic.fields import FieldInfo

from pipeline.errors import PentimentoError
from pipeline.models.inference import AnyEngine
from pipeline.params import StageParams
from pipeline.restoration.methods import registry
from pipeline.restoration.methods.own_models import OwnModel
from pipeline.restoration.methods.registry import AUTO, CLASSICAL, LEARNT, NONE, Step
from pipeline.restoration.methods.steps import MODES, ClassicalName, JpegOutput, Mode, chain
from pipeline.restoration.methods.weights import Weights

_TAKEN = frozenset((AUTO, NONE, CLASSICAL, LEARNT, *get_args(ClassicalName)))


class Settings(StageParams):
    """The settings that a result depends on, besides the work, its mask, the models and the code.

    The registry adds fields to those below. Each step has a field of its name, which holds the name of the
    method. Each further setting that a step declares is a field too.
    """

    mode: Mode
    steps: tuple[str, ...]
    models: dict[str, OwnModel]
    trained: PurePosixPath
    pretrained: PurePosixPath
    engine: AnyEngine
    tile: int = Field(ge=256, multiple_of=64)
    jpeg_output: JpegOutput
    state_source_type: bool
    max_damage: float = Field(gt=0, le=1)
    max_megapixels: float = Field(gt=0)
    max_failure_ratio: float = Field(ge=0, le=1)
    shard_megapixels: float = Field(gt=0)

    @field_validator("models")
    @classmethod
    def _own_names(cls, models: dict[str, OwnModel]) -> dict[str, OwnModel]:
        registered = {name for step in registry.steps() for name in registry.methods(step.name)}
        if taken := sorted((_TAKEN | registered) & models.keys()):
            raise ValueError(f"a model of yours cannot be called {taken[0]}: that names a method already")
        return models

    @field_validator("steps")
    @classmethod
    def _a_chain(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(step.name for step in chain(steps)) if steps else ()
        except PentimentoError as error:
            raise ValueError(str(error)) from None

    @property
    def chain(self) -> tuple[Step, ...]:
        """The steps to run, in order: `steps`, else those of the mode; without steps that are set to none."""
        return tuple(
            step
            for step in chain(self.steps or MODES[self.mode])
            if not (step.optional and self.method_of(step) == NONE)
        )

    @property
    def copies_what_has_no_mask(self) -> bool:
        """Whether the chain leaves a work without a mask unchanged, so that the run copies it."""
        return all(step.changes == "masked pixels" for step in self.chain)

    def value(self, name: str) -> Any:
        """The value of a setting that a step declares."""
        return getattr(self, name)

    def method_of(self, step: Step) -> str:
        """The name of the method that the settings give for a step."""
        return str(self.value(step.name))

    def fallback_of(self, step: Step) -> str:
        """The name of the method that takes over where the step's method fails."""
        return str(self.value(step.fallback)) if step.fallback in step.settings else step.fallback

    def with_masks(self) -> Settings:
        """The settings for a run with masks: steps that find damage are off unless they name a method."""
        auto = [step for step in registry.steps() if step.changes == "mask" and self.method_of(step) == AUTO]
        return self.model_copy(update={step.name: NONE for step in auto})

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
    def weights(self) -> Weights:
        """The folders that hold trained models."""
        return Weights(Path(self.trained), Path(self.pretrained))


_OWN = dict(Settings.model_fields)


def _renew() -> None:
    """Give `Settings` the fields of all registered steps, after the fields `mode` and `steps`."""
    of_steps: dict[str, Any] = {}
    for step in registry.steps():
        of_steps |= {name: kind for name, (kind, _) in step.settings.items()} | {step.name: str}
    leading = ("mode", "steps")
    fields = {name: _OWN[name] for name in leading}
    fields |= {name: FieldInfo.from_annotation(kind) for name, kind in of_steps.items()}
    fields |= {name: info for name, info in _OWN.items() if name not in leading}
    Settings.__pydantic_fields__.clear()
    Settings.__pydantic_fields__.update(fields)
    Settings.__annotations__.update(of_steps)
    Settings.model_rebuild(force=True)


registry.on_change(_renew)
