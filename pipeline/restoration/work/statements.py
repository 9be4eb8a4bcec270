"""What the sidecar and the file's metadata state about how a picture was made."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.restoration.methods.kit import Kit
from pipeline.restoration.work.filling import Account
from pipeline.restoration.work.page import Result

_FILLED = (
    "Digital reconstruction: pixels inside the mask were computed and are not a record of the work. "
    "It was made for viewing and study and is no basis for treating the object."
)
_WHOLE = (
    "Digital reconstruction: every pixel was computed from the scan and none is a record of the work. "
    "It was made for viewing and study and is no basis for treating the object."
)
_UNCHANGED = "Nothing was found to be done: the file is a byte copy of the source."
_SCHEME = "http://cv.iptc.org/newscodes/digitalsourcetype/"
EDITED_BY_MODEL = _SCHEME + "compositeWithTrainedAlgorithmicMedia"  # inpainting by a trained model
EDITED_BY_ALGORITHM = _SCHEME + "algorithmicallyEnhanced"  # by an algorithm that was not trained


def statement(pages: Sequence[Result]) -> str:
    """The sidecar's statement: one or two sentences on what the file is."""
    new = [page.new for page in pages if page.new is not None]
    if not new:
        return _UNCHANGED
    return _FILLED if all(page.mask is not None for page in new) else _WHOLE


def source_type(account: Account, pages: Sequence[Result], kit: Kit) -> str | None:
    """The IPTC digital source type of a work; None for a work that stays unchanged.

    It names a trained model when a model computed pixels. A model that only detected damage does not count.
    """
    if all(page.new is None for page in pages):
        return None
    makers = account.methods | {name for page in pages for name in page.improved}
    return EDITED_BY_MODEL if makers & kit.models.keys() else EDITED_BY_ALGORITHM
