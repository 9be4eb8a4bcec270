"""How coarsely a JPEG was saved, by its own quantisation table (ITU-T T.81, annex A.3.4).

The blocks that coarse steps leave do not look like noise; the table tells how much was lost.
"""

from __future__ import annotations

from pipeline.archive.formats import jpeg_file
from pipeline.archive.formats.slices import Content
from pipeline.errors import ItemError

LEAST_STEP = 9.0  # about quality 92: what finer tables lose is too little to be given back
_STEPS_A_LEVEL = 6.0  # what restored demo works of the val split best, from quality 20 to 90
_FIRST = 1 << 18  # bytes that are read at first
_MOST = 10.0 / 255  # more smooths paint, however coarse the table


def luma_step(content: Content) -> float | None:
    """The mean of the 64 quantisation steps of a JPEG's first component, in levels of 8 bit.

    As a rule the first quarter of a megabyte is read.

    Args:
        content: a whole file of any kind.

    Returns:
        None for what is no JPEG, one of several scans, or one whose tables are missing or broken.
    """
    if content[:3] != b"\xff\xd8\xff":
        return None
    size = _FIRST
    while True:
        try:
            file = jpeg_file.parse(content[:size])
            break
        except ItemError:  # its tables lie further on, or there are none
            if size >= len(content):
                return None
            size *= 8
    several = file.frame.progressive or len(file.scans) > 1
    return None if several else float(file.quantisation[0].mean())


def lost(step: float | None) -> float:
    """The level of noise, of [0, 1], that an enhancer is to take a JPEG's loss for; 0: leave it alone.

    Args:
        step: as `luma_step` gives it.
    """
    if step is None or step < LEAST_STEP:
        return 0.0
    return min(_MOST, step / _STEPS_A_LEVEL / 255)
