"""One page of a work through the chain of steps.

Mode `conserve`: detect, fill; pixels inside the mask are filled, everything else stays. Mode `enhance`:
detect, fill, enhance. Mode `upscale`: detect, fill, upscale.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.archive.canvas import Canvas
from pipeline.archive.formats.slices import Slices
from pipeline.archive.imagefile import ImageFile, decode
from pipeline.archive.imagewrite import NewPage
from pipeline.errors import ItemError
from pipeline.restoration.methods.kit import Kit
from pipeline.restoration.work.enhancing import improve
from pipeline.restoration.work.filling import Account, fill
from pipeline.restoration.work.masks import Damage, find_damage
from pipeline.restoration.work.quantisation import luma_step


@dataclass(frozen=True)
class Result:
    """What the chain made of a page."""

    new: NewPage | None  # None: the page stays as it is
    damage: Damage
    improved: str | None  # the method that changed the whole page
    judged: Mapping[str, float | bool] = field(default_factory=dict)  # see Enhancer


def restore_page(
    file: ImageFile,
    number: int,
    given: tuple[Path, int] | None,
    kit: Kit,
    account: Account,
    partial: Path,
    stack: ExitStack,
) -> Result:
    """Read one page and put it through the chain.

    Args:
        file: the work.
        number: of the page.
        given: a mask file and which of its pages, or None.
        kit: what it is restored with.
        account: takes note of what was done.
        partial: folder for files in the making.
        stack: closes the canvases of the result.

    Raises:
        ItemError: when the page cannot be read, or more of it is damaged than is allowed.
    """
    page, settings = file.pages[number], kit.settings
    canvas = stack.enter_context(Canvas(page.shape, page.dtype, page.colours, partial))
    mask = stack.enter_context(Canvas((page.height, page.width, 1), np.uint8, 1, partial))
    decode(file, number, canvas)  # also where there is nothing to do: a cut-off file is no good copy
    damage = find_damage(canvas, mask, given, kit.detector, kit.classical_detector)
    account.fallbacks += damage.fallbacks
    share = damage.pixels / (page.width * page.height)
    if share > settings.max_damage:
        limit = settings.max_damage
        raise ItemError(f"has {share:.1%} damage; more than max_damage ({limit:.0%}) is not invented")
    if damage.pixels:
        fill(canvas, mask, kit, account, damage.kind)
    judged: Mapping[str, float | bool] = {}
    if kit.improver is not None and kit.classical_improver is not None:
        larger = (page.height * kit.improver.scale, page.width * kit.improver.scale, page.channels)
        out = stack.enter_context(Canvas(larger, page.dtype, page.colours, partial))
        # A new JPEG with the source's tables would fall back into its steps: worse than left alone.
        step = None
        if file.format == "jpeg" and settings.jpeg_output == "tiff":
            with Slices(file.path) as content:
                step = luma_step(content)
        done = improve(canvas, out, kit.improver, kit.classical_improver, settings.tile, step)
        account.fallbacks += done.fallbacks
        judged = done.judged
        if done.changed:
            _close(canvas, mask)
            return Result(NewPage(out, None), damage, done.method, judged)
        out.close()
    if damage.pixels:
        return Result(NewPage(canvas, mask), damage, None, judged)
    _close(canvas, mask)
    return Result(None, damage, None, judged)


def _close(*canvases: Canvas) -> None:
    for canvas in canvases:
        canvas.close()
