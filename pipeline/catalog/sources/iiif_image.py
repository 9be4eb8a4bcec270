"""IIIF Image API, versions 2 and 3: the address of a picture at a chosen size.

<https://iiif.io/api/image/2.1/>, <https://iiif.io/api/image/3.0/>
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from pipeline.errors import ItemError

Size = int | Literal["max"]  # pixels of the longer side, or as large as the server gives


def addresses(info: Any, service: str, size: Size) -> tuple[str, ...]:
    """The addresses that give the whole picture at `size`, the one to ask for first.

    A picture is never asked for larger than it is, or than the server's maxWidth, maxHeight and maxArea
    allow. A server of level 0 gives no size but those that it lists: then the next larger one is taken.

    Args:
        info: the service's info.json.
        service: its address, without a slash at the end.
        size: pixels of the longer side, or "max".

    Raises:
        ItemError: when `info` describes no picture of version 2 or 3.
    """
    version = _version(info)
    width, height = (_pixels(info.get(name)) for name in ("width", "height"))
    if width is None or height is None:
        raise ItemError("its info.json gives no width and height")
    limits = _limits(info)
    largest = min(1.0, *(limit(width, height) for limit in limits)) if limits else 1.0
    wanted = largest if size == "max" else min(largest, size / max(width, height))
    full = "max" if version == 3 or limits else "full"
    if wanted >= 1 or (size == "max" and limits):
        sizes = [full]
    elif _level(info) == 0:
        sizes = _listed(info, wanted * max(width, height)) or [full]
    elif width >= height:
        sizes = [f"{math.floor(width * wanted + 1e-6)},"]
    else:
        sizes = [f",{math.floor(height * wanted + 1e-6)}"]
    return tuple(f"{service}/full/{one}/0/default.jpg" for one in sizes)


def _version(info: Any) -> int:
    if not isinstance(info, dict):
        raise ItemError("its info.json is no JSON object")
    contexts = info.get("@context")
    written = " ".join(str(one) for one in (contexts if isinstance(contexts, list) else [contexts]))
    if found := re.search(r"iiif\.io/api/image/(\d)/", written):
        version = int(found[1])
    else:
        version = (
            3 if info.get("type") == "ImageService3" else 2 if info.get("type") == "ImageService2" else 0
        )
    if version not in (2, 3):
        raise ItemError(f"its info.json is not of version 2 or 3 of the Image API ({written[:100]!a})")
    return version


def _limits(info: dict[str, Any]) -> list[Any]:
    """Functions (width, height) -> the largest scale that a declared limit allows."""
    profiles = info.get("profile") if isinstance(info.get("profile"), list) else []
    declared = [one for one in (info, *(profiles or [])) if isinstance(one, dict)]
    widest, highest, area = (
        min(filter(None, (_pixels(one.get(name)) for one in declared)), default=None)
        for name in ("maxWidth", "maxHeight", "maxArea")
    )
    highest = highest or widest  # 3.0, section 5.3: maxWidth stands for both
    limits = []
    if widest:
        limits.append(lambda width, height: widest / width)
    if highest:
        limits.append(lambda width, height: highest / height)
    if area:
        limits.append(lambda width, height: math.sqrt(area / (width * height)))
    return limits


def _listed(info: dict[str, Any], wanted: float) -> list[str]:
    """The smallest listed size that is large enough, else the largest; written as both versions have it."""
    entries = info.get("sizes") if isinstance(info.get("sizes"), list) else []
    sizes = [
        (width, height)
        for entry in entries or []
        if isinstance(entry, dict)
        and (width := _pixels(entry.get("width")))
        and (height := _pixels(entry.get("height")))
    ]
    if not sizes:
        return []
    enough = [one for one in sizes if max(one) >= math.floor(wanted)]
    width, height = min(enough, key=max) if enough else max(sizes, key=max)
    return [f"{width},{height}", f"{width},"]


def _level(info: dict[str, Any]) -> int:
    """The compliance level; a server that states none gives what it lists."""
    profile = info.get("profile")
    first = profile[0] if isinstance(profile, list) and profile else profile
    found = re.search(r"level(\d)", str(first))
    return int(found[1]) if found else 0


def _pixels(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None
