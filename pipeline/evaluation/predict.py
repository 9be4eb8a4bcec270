"""Classify image files with a trained model: one row per file; a bad file gets a row with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.archive.filetypes import SUFFIXES
from pipeline.archive.images import read_rgb
from pipeline.errors import ItemError, PentimentoError
from pipeline.models.classifier import Classifier
from pipeline.progress import track

READ_SIDE = 1024  # pixels: larger scans are read shrunk, which keeps a gigapixel file in memory


def find_images(paths: Iterable[Path]) -> list[Path]:
    """The files named, and the image files in the folders named, each once, in order of name.

    Raises:
        PentimentoError: when a path does not exist, or no image is found.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            found |= dict.fromkeys(sorted(inside))
        elif path.exists():
            found[path] = None
        else:
            raise PentimentoError(f"{path} does not exist")
    if not found:
        known = " ".join(sorted(SUFFIXES))
        raise PentimentoError(f"there is no picture in the given folders; known suffixes: {known}")
    return list(found)


def classify(paths: Iterable[Path], classifier: Classifier, alternatives: int = 3) -> list[dict[str, Any]]:
    """Schools and tags of image files.

    Args:
        paths: files; see `find_images` for folders.
        classifier: a trained one.
        alternatives: how many schools to name beside the first.

    Returns:
        A row per file: path, school, probability (0 to 1), alternatives (school and probability),
        tags (tag and probability, those at or above the model's threshold, most likely first); or
        path and error, the reason why the file could not be judged.
    """
    return list(_rows(classifier, list(paths), alternatives))


def _rows(classifier: Classifier, paths: list[Path], alternatives: int) -> Iterator[dict[str, Any]]:
    for path in track(paths, "classify"):
        try:
            picture = read_rgb(path, READ_SIDE)
        except ItemError as error:
            yield {"path": str(path), "error": str(error)}
            continue
        except OSError as error:
            yield {"path": str(path), "error": error.strerror or type(error).__name__}
            continue
        school, tags = classifier.predict([picture])
        ranked = _ranked(classifier.schools, school[0])
        threshold = float(classifier.card.get("tag_threshold", 0.5))
        row: dict[str, Any] = {"path": str(path)}
        if ranked:
            row |= {"school": ranked[0]["name"], "probability": ranked[0]["probability"]}
        row["alternatives"] = ranked[1 : 1 + alternatives]
        row["tags"] = [t for t in _ranked(classifier.tags, tags[0]) if t["probability"] >= threshold]
        yield row


def _ranked(names: list[str], probabilities: Any) -> list[dict[str, Any]]:
    pairs = sorted(zip(probabilities.tolist(), names, strict=True), key=lambda p: (-p[0], p[1]))
    return [{"name": name, "probability": round(value, 4)} for value, name in pairs]
