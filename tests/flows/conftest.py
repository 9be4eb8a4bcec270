"""What tests of the flows share: an empty repository, which DVC takes a second to make."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# DVC runs as `dvc` of this environment, activated or not.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="session")
def empty_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of git and DVC without a commit; tests work on copies of it."""
    root = tmp_path_factory.mktemp("repository")
    for command in ("git init -q", "dvc init -q", "git config user.name t", "git config user.email t@t"):
        subprocess.run(command.split(), check=True, cwd=root, env={**os.environ, "PATH": PATH})
    return root
