"""Container formats, one module each: read what a file declares, and put new pixels into its container.

Metadata are never decoded and written again. The container's blocks are copied byte for byte around the
new pixels, so everything that the archive wrote there stays.
"""

__all__ = ["jpeg", "jpeg_file", "png", "slices", "tiff", "tiffdata", "tiffwrite", "webp"]
