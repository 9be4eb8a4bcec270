"""What the parameters of a trainer with families share: a key that names one, and a section for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from pipeline.discovery import Registry, foreign_code
from pipeline.errors import PentimentoError
from pipeline.params import to_json, with_sections
from pipeline.training.task import Schedule


class FamilyParams(Schedule):
    """Parameters that all families have; `current` adds the section of each family."""

    families: ClassVar[Registry[Any]]
    family: str

    @classmethod
    def current(cls) -> type[Self]:
        """The model with a section for each family that is registered now."""
        return with_sections(cls, "family", cls.families.classes())

    @property
    def chosen(self) -> Any:
        """The family, with its parameters."""
        section = getattr(self, self.family, None)
        return self.families[self.family]() if section is None else section

    def recipe(self) -> dict[str, Any]:
        """What a card keeps: all parameters but those of the other families."""
        others = set(self.families.classes()) - {self.family}
        return self.model_dump(mode="json", exclude=others)

    @classmethod
    def of_card(cls, card: Mapping[str, Any], folder: Path) -> Self:
        """The parameters that a saved model was trained with.

        Raises:
            PentimentoError: when the card states none that this version knows.
        """
        recipe = card.get("recipe", {})
        name = recipe.get("family") if isinstance(recipe, dict) else None
        if not isinstance(name, str):
            raise PentimentoError(
                f"{folder} was trained by another version: its card names no family; train it again"
            )
        model = with_sections(cls, "family", {name: cls.families[name]})
        try:
            return model.model_validate_json(to_json(recipe))
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in fault["loc"])
            raise PentimentoError(
                f"{folder} was trained by another version: recipe.{where} of its card: {fault['msg']}; "
                "train it again"
            ) from None

    def checkpoints(self, folder: Path) -> Path:
        """Where checkpoints of this family lie below a stage's folder: apart for each code of a package."""
        code = foreign_code(self.families[self.family])
        return folder if code is None else folder / f"{self.family}-{code[:16]}"
