"""The measured choices: which method is best for which damage, and for which step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.archive.versions import read_json
from pipeline.errors import PentimentoError
from pipeline.restoration.methods.registry import methods, steps
from pipeline.restoration.methods.shapes import SHAPES

VERSION = 1  # of both files; a file without a version has version 1
_REMEDY = "run `dvc repro`, which makes it again"


@dataclass(frozen=True)
class BestFillers:
    """The name of the filler that measured best, for each shape of damage and for kinds of damage."""

    shapes: Mapping[str, str]
    kinds: Mapping[str, str]


def best_fillers(path: Path) -> BestFillers:
    """Read a methods.json.

    Raises:
        PentimentoError: when the file is missing, cannot be read, or does not name a method for each shape.
    """
    try:
        measured = read_json(path, "choice of fillers", VERSION, _REMEDY)
        shapes = {shape: str(measured["by_shape"][shape]["best"]) for shape in SHAPES}
        kinds = {str(kind): str(entry["best"]) for kind, entry in measured.get("by_kind", {}).items()}
    except FileNotFoundError:
        raise PentimentoError(
            f"{path} is missing: it says which method fills which damage; `dvc repro` makes it"
        ) from None
    except OSError as error:
        raise PentimentoError(f"{path} cannot be read: {error.strerror}; name a methods.json") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PentimentoError(f"{path} does not name a method for each of {', '.join(SHAPES)}") from None
    for purpose, name in (shapes | kinds).items():
        _require_known(path, purpose, name, methods("fill"))
    return BestFillers(shapes, kinds)


def best_methods(path: Path) -> dict[str, str]:
    """Read a steps.json: for each measured step (see Step.measured_as), the name of the best method.

    Raises:
        PentimentoError: when the file cannot be read or names an unknown method.
    """
    try:
        measured = read_json(path, "choice of methods", VERSION, _REMEDY)
        found = {str(step): str(entry["best"]) for step, entry in measured.items()}
    except OSError as error:
        raise PentimentoError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PentimentoError(f"{path} does not name the best method of each step") from None
    for step in steps():
        for purpose in found.keys() & {step.measured_as(scale) for scale in (1, 2, 4)}:
            _require_known(path, purpose, found[purpose], methods(step.name))
    return found


def measured_weights(path: Path) -> dict[str, str]:
    """Where the better weights of each network lie, as a steps.json says: 'trained' or 'pretrained'.

    Networks that it does not name were not compared.

    Raises:
        PentimentoError: when the file cannot be read or names another place.
    """
    try:
        measured = read_json(path, "choice of methods", VERSION, _REMEDY)
        found = {
            str(n): str(where) for entry in measured.values() for n, where in entry.get("weights", {}).items()
        }
    except OSError as error:
        raise PentimentoError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError):
        raise PentimentoError(f"{path} does not name the better weights of each network") from None
    for name, where in found.items():
        if where not in ("trained", "pretrained"):
            raise PentimentoError(f"{path}: weights of {name} are '{where}'; known are: pretrained, trained")
    return found


def _require_known(path: Path, purpose: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        names = ", ".join(sorted(known))
        raise PentimentoError(f"{path}: unknown method '{name}' for {purpose}; known are: {names}")
