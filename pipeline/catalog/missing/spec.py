"""A method that completes gaps is one function, registered by the decorator `method`.

The keyword arguments of the function are the keys of the method in params.yaml: annotations say what is
allowed, defaults stand in for keys that are not given.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, create_model, model_validator

from pipeline.catalog.missing import learning
from pipeline.catalog.missing.task import Answer, Kind, Task
from pipeline.errors import PentimentoError
from pipeline.params import StageParams

Complete = Callable[..., Answer]  # (task, **keys) -> values and confidences for the task's gaps
Check = Callable[..., None]  # (task, **keys); raises PentimentoError for a task that the method cannot do
BOTH: frozenset[Kind] = frozenset({"number", "name"})
_OF_LEARNING = ("accept", "max_evidence")


class Spec(StageParams):
    """A method with its keys, checked; base of the models that `method` makes.

    variant: the key that tells the variants of a method apart, or None. kinds: what it can complete.
    completes: False for the methods that leave every gap as it is.
    """

    variant: ClassVar[str | None] = None
    kinds: ClassVar[frozenset[Kind]] = BOTH
    completes: ClassVar[bool] = True
    complete: ClassVar[Complete]
    needs: ClassVar[Check | None] = None

    method: str

    @property
    def name(self) -> str:
        """The short form: `regress:forest`, `picture`."""
        return self.method if self.variant is None else f"{self.method}:{getattr(self, self.variant)}"

    def check(self, task: Task) -> None:
        """Refuse a task that the method cannot do.

        Raises:
            PentimentoError: saying what the column holds and what would do.
        """
        if task.kind not in self.kinds:
            raise PentimentoError(
                f"the method '{self.name}' cannot complete '{task.column}': it completes "
                f"{'numbers' if 'number' in self.kinds else 'names'}, the column holds {task.kind}s"
            )
        if needs := type(self).needs:
            needs(task, **self._keys())

    def answer(self, task: Task) -> Answer:
        """Values and confidences for the task's gaps; it has one gap and one recorded value at least."""
        complete, of_learning = type(self).complete, self.model_dump(include=set(_OF_LEARNING))
        if not of_learning:
            return complete(task, **self._keys())
        drawn = learning.draw(task, of_learning["max_evidence"])
        return learning.accepted(complete(drawn, **self._keys()), of_learning["accept"])

    def _keys(self) -> dict[str, Any]:
        return {
            key: getattr(self, key) for key in type(self).model_fields if key not in ("method", *_OF_LEARNING)
        }


METHODS: dict[str, type[Spec]] = {}


def method(
    name: str,
    *,
    variant: str | None = None,
    kinds: frozenset[Kind] = BOTH,
    accept: float | None = None,
    completes: bool = True,
    needs: Check | None = None,
    valid: Callable[[Any], Any] | None = None,
) -> Callable[[Complete], Complete]:
    """Register a function (task, *, keys) -> `Answer` as a method.

    Args:
        name: of the method.
        variant: the key that tells its variants apart; the short form is `name:variant`.
        kinds: of columns that it can complete.
        accept: for a method that learns, the default of its key `accept`: values of less confidence stay
            missing. Such a method also has the key `max_evidence`.
        completes: False when it leaves every gap as it is.
        needs: (task, **keys), raises PentimentoError for a task that the method cannot do.
        valid: (keys as attributes) -> the same; raises ValueError for keys that do not go together.
    """

    def register(function: Complete) -> Complete:
        fields: dict[str, Any] = {"method": (Literal[name], name)}
        if accept is not None:
            fields["accept"] = (Annotated[float, Field(ge=0, le=1)], accept)
            fields["max_evidence"] = (Annotated[int, Field(ge=learning.LEAST)], learning.MOST)
        for key in inspect.signature(function, eval_str=True).parameters.values():
            if key.kind is inspect.Parameter.KEYWORD_ONLY:
                fields[key.name] = (key.annotation, ... if key.default is key.empty else key.default)
        checks: dict[str, Any] = {"valid": model_validator(mode="after")(valid)} if valid else {}
        model = create_model(
            name.capitalize(), __base__=Spec, __doc__=function.__doc__, __validators__=checks, **fields
        )
        model.variant, model.kinds, model.completes = variant, kinds, completes
        model.complete, model.needs = function, needs
        METHODS[name] = model
        return function

    return register
