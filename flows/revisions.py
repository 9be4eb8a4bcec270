"""What DVC has recorded at a git revision, read without checking anything out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from flows.stages import require_git
from pipeline.errors import PentimentoError


@contextmanager
def recorded(root: Path, path: Path, revision: str) -> Iterator[BinaryIO]:
    """The file at `path`, relative to the project, as it was at a revision; from the cache, else a remote.

    Raises:
        PentimentoError: when there is no git repository, no such revision, or no such file is recorded
            there, or no cache and no remote holds its content.
    """
    from dvc.api import open as dvc_open
    from dvc.exceptions import DvcException, FileMissingError, OutputNotFoundError, PathMissingError
    from dvc.scm import RevError, SCMError

    require_git(root)
    try:
        with dvc_open(path.as_posix(), repo=str(root), rev=revision, mode="rb") as handle:
            yield handle
    except RevError:
        raise PentimentoError(
            f"git knows no revision '{revision}' here; `git log --oneline` lists the existing ones"
        ) from None
    except SCMError as error:
        raise PentimentoError(f"git: {' '.join(str(error).split())}") from None
    except (PathMissingError, FileMissingError, OutputNotFoundError, FileNotFoundError):
        if is_recorded(root, path, revision):
            reason = f"the content of {path} at '{revision}' is neither in DVC's cache nor on a remote"
            hint = "`dvc fetch --all-commits` brings it, where a remote has it"
        else:
            reason = f"no {path} is recorded at '{revision}'"
            hint = "`pentimento retrain` makes it, and it is recorded once dvc.lock is committed"
        raise PentimentoError(f"{reason}; {hint}") from None
    except DvcException as error:
        raise PentimentoError(f"DVC: {' '.join(str(error).split())}") from None


def is_recorded(root: Path, path: Path, revision: str) -> bool:
    """Whether a revision's dvc.lock has an output at that path; its content may be missing."""
    from dvc.api import DVCFileSystem

    try:
        found = DVCFileSystem(repo=str(root), rev=revision).info(path.as_posix())
    except FileNotFoundError:
        return False
    return found.get("md5") is not None  # without: dvc.yaml names it, and the stage never ran
