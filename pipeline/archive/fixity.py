"""Fixity: the SHA-256 of files, folders and plain values (FIPS 180-4), as archives use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipeline import environment


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def tree_sha256(path: Path, ignore: Iterable[str] = ("__pycache__", ".pyc")) -> str:
    """The SHA-256 of a file, or of a folder's sorted relative names and file hashes."""
    if path.is_file():
        return file_sha256(path)
    skip = tuple(ignore)
    files = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and not any(part.endswith(skip) for part in file.relative_to(path).parts)
    ]
    with ThreadPoolExecutor(environment.workers()) as pool:
        hashes = pool.map(file_sha256, files)
        names = [file.relative_to(path).as_posix() for file in files]
        lines = [f"{name}\0{digest}\n" for name, digest in zip(names, hashes, strict=True)]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def value_sha256(value: Any) -> str:
    """The SHA-256 of a JSON-serialisable value in canonical form (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
