"""Where a work's picture file lies: a location and a path of the inventory, resolved to a file.

It knows no kind of source: stages that read pictures depend on this module alone.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipeline.environment import clone_dir, state_dir
from pipeline.errors import ItemError, PentimentoError

NO_PICTURE = "the record names no picture"  # why a work has no file


@dataclass(frozen=True)
class PictureFile:
    """A picture file of the inventory or the catalog, for what is done with each file once.

    sha256: of its bytes.
    location, path, root: where it lies; see `file_of`.
    """

    sha256: str
    location: str
    path: str
    root: Path

    def find(self) -> Path:
        """The file; see `file_of`."""
        return file_of(self.location, self.path, self.root)


def file_of(location: str, path: str, root: Path) -> Path:
    """The picture file of an inventory row.

    Args:
        location: of the source's pictures, as `base_folder` takes it.
        path: of the picture, relative to that folder, with forward slashes.
        root: the project, which relative locations are relative to.

    Raises:
        ItemError: when the path leads out of its source, or nowhere.
        PentimentoError: when the location does not exist.
    """
    base, real = _base(location, root, state_dir(root) if location.startswith("state:") else None)
    file = base / path
    try:
        inside = file.resolve().is_relative_to(real)
    except (RuntimeError, ValueError) as error:  # a link that leads to itself; a name with a NUL
        raise ItemError(f"path cannot be followed: {path!a}: {error}") from None
    if not inside:
        raise ItemError(f"path leads out of its source: {path}")
    return file


def base_folder(location: str, root: Path) -> Path:
    """The folder that a location stands for.

    package:NAME, state:PATH (in the state folder), an absolute path, or one relative to the clone.

    Raises:
        PentimentoError: when there is no such package, folder or file.
    """
    if location.startswith("package:"):
        package = location.removeprefix("package:")
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise PentimentoError(
                f"inventory.sources: package '{package}' is not installed; `pip install {package}`"
            )
        return Path(spec.submodule_search_locations[0])
    try:
        folder = local_path(location, root)
        folder.stat()
    except FileNotFoundError:
        raise PentimentoError(f"inventory.sources: location '{location}' does not exist ({folder})") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PentimentoError(f"inventory.sources: location '{location}': {reason}") from None
    return folder


def local_path(location: str, root: Path) -> Path:
    """The path of a location that is no package, whether or not it exists."""
    if location.startswith("state:"):
        return state_dir(root) / location.removeprefix("state:")
    return clone_dir(root) / Path(location).expanduser()


@lru_cache(maxsize=64)
def _base(location: str, root: Path, state: Path | None) -> tuple[Path, Path]:
    """A location's folder, as it is and without links; `state` is what it may depend on."""
    base = base_folder(location, root)
    return base, base.resolve()
