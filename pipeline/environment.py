"""Settings of the machine, read from the environment; no result depends on them.

PENTIMENTO_STATE    state folder (ledgers, checkpoints, logs); default: `.state` in the outermost
                    enclosing folder that has `.dvc/`, so that experiments in temporary folders share it
PENTIMENTO_DEVICE   auto (default), cpu, cuda, cuda:1 …
PENTIMENTO_DEVICES  devices that every training uses side by side, a process each (DDP); default 1
PENTIMENTO_THREADS  threads of one training process; default 1, which makes its bytes reproducible
PENTIMENTO_LOADERS  processes that make training's batches ahead, for a GPU; default 0: the training process
                    does. Random draws depend on it, as they do on the number of training processes
PENTIMENTO_WORKERS  stages or shards worked on side by side; default: the number of cores, 4 at most
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline import paths
from pipeline.errors import PentimentoError


def state_dir(root: Path) -> Path:
    """The state folder that belongs to the project at `root`."""
    if configured := os.environ.get("PENTIMENTO_STATE"):
        return Path(configured).expanduser().resolve()
    return clone_dir(root) / paths.STATE


def clone_dir(root: Path) -> Path:
    """The clone that a project belongs to: the outermost enclosing folder that has `.dvc/`.

    An experiment in a temporary folder and the nightly worktree lie inside the clone; sources given
    by relative paths and the state folder are the clone's.
    """
    root = root.resolve()
    enclosing = [folder for folder in (root, *root.parents) if (folder / ".dvc").is_dir()]
    return enclosing[-1] if enclosing else root


def devices() -> int:
    """How many devices a training uses, one process each (PENTIMENTO_DEVICES)."""
    return _whole("PENTIMENTO_DEVICES", 1)


def threads() -> int:
    """Threads of one training process (PENTIMENTO_THREADS)."""
    return _whole("PENTIMENTO_THREADS", 1)


def loaders() -> int:
    """Processes that make batches ahead of a training process (PENTIMENTO_LOADERS)."""
    return _whole("PENTIMENTO_LOADERS", 0, least=0)


def workers() -> int:
    """How many stages or shards run side by side (PENTIMENTO_WORKERS)."""
    return _whole("PENTIMENTO_WORKERS", min(4, os.cpu_count() or 1))


def device() -> str:
    """The device asked for (PENTIMENTO_DEVICE): 'auto', 'cpu', 'cuda' or 'cuda:N'."""
    return os.environ.get("PENTIMENTO_DEVICE", "auto")


def _whole(name: str, default: int, least: int = 1) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        wanted = "a positive integer" if least else "0 or a positive integer"
        raise PentimentoError(f"environment variable {name} must be {wanted}, not {text!r}")
    return int(text)
