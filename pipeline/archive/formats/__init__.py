"""Container formats, one a file: what the file declares, and new pixels put into the same container.

Metadata are never re-written from a library's understanding of them: a container's blocks are copied
byte for byte around the new pixels, so whatever the archive wrote there stays.
"""
