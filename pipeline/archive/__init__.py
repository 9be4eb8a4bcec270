"""What holds bytes: image files in and out, shards, packs, the ledger, atomic writes, provenance, fixity.

It knows nothing of works, networks or stages. `formats` holds the container formats.
"""

__all__ = [
    "atomic",
    "canvas",
    "filetypes",
    "fixity",
    "formats",
    "imagefile",
    "images",
    "imagewrite",
    "ledger",
    "packs",
    "provenance",
    "reasons",
    "shards",
    "sheets",
    "tables",
    "tiling",
    "versions",
]
