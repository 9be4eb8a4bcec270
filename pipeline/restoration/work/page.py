"""One page of a work, processed by the chain of steps.

Steps that find damage come first, then steps that fill it; pixels outside the mask stay. Steps that change
the whole page or its size come last, each on the result of the one before.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.archive.canvas import Canvas
from pipeline.archive.formats.slices import Slices
from pipeline.archive.imagefile import ImageFile, decode
from pipeline.archive.imagewrite import NewPage
from pipeline.errors import ItemError
from pipeline.restoration.methods.kit import Kit
from pipeline.restoration.work.enhancing import Improvement, improve
from pipeline.restoration.work.filling import Account, fill
from pipeline.restoration.work.masks import Damage, find_damage
from pipeline.restoration.work.quantisation import luma_step


@dataclass(frozen=True)
class Result:
    """The result of the chain for a page."""

    new: NewPage | None  # None: the page stays unchanged
    damage: Damage
    improvements: tuple[Improvement, ...] = ()  # of the steps that may change the whole page, in order

    @property
    def improved(self) -> tuple[str, ...]:
        """The names of the methods that changed the whole page."""
        return tuple(done.method for done in self.improvements if done.changed)


def restore_page(
    file: ImageFile,
    number: int,
    given: tuple[Path, int] | None,
    kit: Kit,
    account: Account,
    partial: Path,
    stack: ExitStack,
) -> Result:
    """Read one page and apply the chain to it.

    Args:
        file: the work.
        number: the page's number, from 0.
        given: a mask file and the number of its page, or None.
        kit: settings and opened methods.
        account: records what the fillers did, and which methods failed.
        partial: folder for temporary files.
        stack: closes the canvases of the result.

    Raises:
        ItemError: when the page cannot be read, its damage exceeds `max_damage`, or a step and its fallback
            fail.
    """
    page, settings = file.pages[number], kit.settings
    canvas = stack.enter_context(Canvas(page.shape, page.dtype, page.colours, partial))
    mask = stack.enter_context(Canvas((page.height, page.width, 1), np.uint8, 1, partial))
    decode(file, number, canvas)  # even for pages without a step: decoding finds truncated files
    damage = _damage(canvas, mask, given, kit)
    account.fallbacks += damage.fallbacks
    share = damage.pixels / (page.width * page.height)
    if share > settings.max_damage:
        limit = settings.max_damage
        raise ItemError(f"has {share:.1%} damage; more than max_damage ({limit:.0%}) is not invented")
    for link in kit.links("masked pixels") if damage.pixels else ():
        fill(canvas, mask, link.method, link.fallback, settings.tile, account, damage.kind)
    # With the source's tables, a new JPEG would lose the same again: worse than an unchanged picture.
    step = _luma_step(file) if settings.jpeg_output == "tiff" else None
    whole, improvements = canvas, list[Improvement]()
    for link in kit.links("page", "size"):
        height, width, channels = whole.shape
        larger = (height * link.method.scale, width * link.method.scale, channels)
        out = stack.enter_context(Canvas(larger, page.dtype, page.colours, partial))
        done = improve(whole, out, link.method, link.fallback, settings.tile, step)
        improvements.append(done)
        account.fallbacks += done.fallbacks
        out, whole = (whole, out) if done.changed else (out, whole)
        if out is not canvas:
            out.close()
    if whole is not canvas:
        _close(canvas, mask)
        return Result(NewPage(whole, None), damage, tuple(improvements))
    if damage.pixels:
        return Result(NewPage(canvas, mask), damage, tuple(improvements))
    _close(canvas, mask)
    return Result(None, damage, tuple(improvements))


def _damage(canvas: Canvas, mask: Canvas, given: tuple[Path, int] | None, kit: Kit) -> Damage:
    """The damage for the chain to fill; no damage when no step of the chain fills."""
    if not kit.links("masked pixels"):
        return Damage(0, "none", None)
    return find_damage(canvas, mask, given, [(link.method, link.fallback) for link in kit.links("mask")])


def _luma_step(file: ImageFile) -> float | None:
    if file.format != "jpeg":
        return None
    with Slices(file.path) as content:
        return luma_step(content)


def _close(*canvases: Canvas) -> None:
    for canvas in canvases:
        canvas.close()
