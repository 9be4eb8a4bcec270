"""Names in the output tree: any source name, encoded so that every file system accepts it.

Characters that break other tools are percent-encoded (RFC 3986): control characters, the percent sign,
backslash, and bytes that are not UTF-8. The encoding is reversible, so two names never become one. A name
that is too long is cut and ends in `%~` and the start of its SHA-256; the sidecar holds the full name.
"""

from __future__ import annotations

import hashlib
import os
import re
from urllib.parse import unquote_to_bytes

LONGEST = 230  # bytes of an encoded part: 255 minus ".tif.json" and room for suffixes of other systems
_UNSAFE = re.compile(r"[\x00-\x1f\x7f%\\]|[\udc80-\udcff]")


def encode(relative: str) -> str:
    """Encode a source's relative POSIX path (with surrogate escapes), without shortening it."""
    return _UNSAFE.sub(_percent, relative)


def decode(encoded: str) -> str:
    """The source path of a name that `encode` returned."""
    return os.fsdecode(unquote_to_bytes(encoded.encode()))


def output_name(relative: str) -> str:
    """The output name of a source's relative path, with each part at most `LONGEST` bytes long."""
    return "/".join(_shorten(part) for part in encode(relative).split("/"))


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in os.fsencode(match.group()))


def _shorten(part: str) -> str:
    data = part.encode()
    if len(data) <= LONGEST:
        return part
    digest = hashlib.sha256(data).hexdigest()[:16]
    dot = part.rfind(".")
    suffix = part[dot:] if dot > 0 and len(part) - dot <= 6 else ""
    stem = data[: LONGEST - len(digest) - 2 - len(suffix.encode())].decode("utf-8", "ignore")
    return f"{re.sub('%[0-9A-F]?$', '', stem)}%~{digest}{suffix}"
