"""What a record says: dates, artists, media and labels as museums write them, normalised.

Everything here is text in, plain values out; no picture is opened.
"""

__all__ = ["artists", "dates", "labels", "media", "merge"]
