"""How coarsely a JPEG was saved, read from its quantisation table (ITU-T T.81, annex A.3.4).

The blocks that coarse steps leave do not look like noise. The table tells how much was lost.
"""

from __future__ import annotations

from pipeline.archive.filetypes import sniff
from pipeline.archive.formats import jpeg_file
from pipeline.archive.formats.slices import Content
from pipeline.errors import ItemError

_FIRST = 1 << 18  # bytes of the first read


def luma_step(content: Content) -> float | None:
    """The mean of the 64 quantisation steps of a JPEG's first component, in levels of 8 bit.

    The function usually reads the first 256 KiB only.

    Args:
        content: a whole file of any kind.

    Returns:
        The mean step; None when the file is not a JPEG, has several scans, or has no valid tables.
    """
    if sniff(content[:16]) != "jpeg":
        return None
    size = _FIRST
    while True:
        try:
            file = jpeg_file.parse(content[:size])
            break
        except ItemError:  # the tables lie further on, or do not exist
            if size >= len(content):
                return None
            size *= 8
    several = file.frame.progressive or len(file.scans) > 1
    return None if several else float(file.quantisation[0].mean())
