"""Every format x depth x mode x metadata, with masks empty, small and full: what has to stay, stays.

Files are made and read by other libraries (Pillow, tifffile, imagecodecs). `pytest -s` prints the table.
"""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, IptcImagePlugin

from tests.pictures import (
    ICC,
    TERM,
    XMP,
    Rewritten,
    exif,
    full_png,
    independent,
    picture,
    png_chunk,
    saved,
    tagged_tiff,
    with_iptc,
)

MASKS = ("empty", "small", "full")


@pytest.fixture(scope="module", autouse=True)
def table():
    rows = []
    yield rows
    print(f"\n{'file':44} {'mask':6} {'outside the mask':18} largest inside JPEG blocks")
    for name, kind, rule, largest in rows:
        print(f"{name:44} {kind:6} {rule:18} {largest}")


def png16(channels, interlaced=False):
    import pyvips

    name = "grey16" if channels < 3 else "rgb16"
    image = pyvips.Image.new_from_array(picture(channels, deep=True)).copy(interpretation=name)
    data = image.pngsave_buffer(bitdepth=16, interlace=interlaced)
    return data[:33] + png_chunk(b"gAMA", b"\0\0\xb1\x8f") + data[33:]


def png_grey(depth):
    """A PNG of fewer than 8 bits, which Pillow writes only with a palette."""
    import zlib

    rows = (picture(1)[..., 0] >> (8 - depth)).astype(np.uint8)
    bits = np.unpackbits(rows[..., None], axis=-1)[..., 8 - depth :].reshape(len(rows), -1)
    packed = np.packbits(bits, axis=1)
    data = b"".join(b"\0" + row.tobytes() for row in packed)
    head = rows.shape[1].to_bytes(4, "big") + rows.shape[0].to_bytes(4, "big") + bytes([depth, 0, 0, 0, 0])
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def interlaced_png(mode):
    import pyvips

    return pyvips.Image.new_from_buffer(full_png(mode), "").pngsave_buffer(interlace=True)


PNG = {f"png 8 {mode}": lambda mode=mode: full_png(mode) for mode in ("L", "LA", "RGB", "RGBA")}
PNG |= {f"png 16 {n} channels": lambda n=n: png16(n) for n in (1, 2, 3, 4)}
PNG |= {f"png {depth} bits grey": lambda depth=depth: png_grey(depth) for depth in (1, 2, 4)}
PNG |= {
    "png palette": lambda: saved("P", "PNG", icc_profile=ICC, exif=exif(), dpi=(300, 300)),
    "png palette tRNS": lambda: saved("P", "PNG", transparency=3),
    "png RGB tRNS": lambda: saved("RGB", "PNG", transparency=(45, 43, 42)),
    "png 8 RGB interlaced": lambda: interlaced_png("RGB"),
    "png 16 RGBA interlaced": lambda: png16(4, interlaced=True),
}
WEBP = {
    f"webp {mode}": lambda mode=mode: saved(
        mode, "WEBP", lossless=True, exact=True, icc_profile=ICC, exif=exif(), xmp=XMP
    )
    for mode in ("RGB", "RGBA")
}
LAYOUTS = {
    "strips": {},
    "strips of 7 rows": {"rowsperstrip": 7},
    "strips lzw predictor": {"compression": "lzw", "predictor": True, "rowsperstrip": 16},
    "strips packbits": {"compression": "packbits", "rowsperstrip": 16},
    "tiles": {"tile": (32, 48)},
    "tiles deflate predictor": {"tile": (32, 48), "compression": "zlib", "predictor": True},
    "tiles zstd predictor": {"tile": (32, 48), "compression": "zstd", "predictor": True},
    "planes": {"planarconfig": "separate", "rowsperstrip": 16},
    "planes tiles lzw": {"planarconfig": "separate", "tile": (32, 48), "compression": "lzw"},
}
ORDERS = {"tiff": ("<", False), "tiff big-endian": (">", False), "bigtiff": ("<", True)}
ORDERS["bigtiff big-endian"] = (">", True)
# Every mode in every layout, and every layout in every order: not all triples.
TIFF = {
    f"{name} {16 if deep else 8} {mode} {layout}": lambda mode=mode, deep=deep, layout=layout, name=name: (
        tagged_tiff(mode, deep, *ORDERS[name], **LAYOUTS[layout])
    )
    for number, mode in enumerate(("RGB", "L", "L inverted", "LA", "RGBA", "CMYK", "CMYKA"))
    for deep in (False, True)
    for place, layout in enumerate(LAYOUTS)
    for turn, name in enumerate(ORDERS)
    if (mode == "RGB" or (number + place + turn) % 4 == 0) and not ("planes" in layout and mode[0] == "L")
}
TIFF |= {
    "tiff EXIF and GPS": lambda: saved("RGB", "TIFF", exif=exif(), icc_profile=ICC, dpi=(300, 300)),
    "tiff LA planes": lambda: tagged_tiff("LA", planarconfig="separate", rowsperstrip=16),
    "tiff palette": lambda: saved("P", "TIFF", dpi=(300, 300)),
}
JPEG = {
    f"jpeg {mode} {sampling}{' progressive' if progressive else ''}{restart and ' restarts'}": lambda m=mode,
    s=sampling, p=progressive, r=restart: with_iptc(
        saved(
            m, "JPEG", quality=90, subsampling=s, progressive=p, icc_profile=ICC, exif=exif(), xmp=XMP,
            dpi=(300, 300), comment=b"a note", **({"restart_marker_blocks": 3} if r else {}),
        )
    )
    for mode in ("L", "RGB", "CMYK")
    for sampling in (("4:4:4", "4:2:2", "4:2:0") if mode == "RGB" else ("4:4:4",))
    for progressive in (False, True)
    for restart in (("", "restarts") if mode == "RGB" and not progressive else ("",))
}  # fmt: skip
LOSSLESS = PNG | WEBP | TIFF


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_file_keeps_all_samples_outside_the_mask(name, kind, tmp_path, table):
    content = LOSSLESS[name]()
    on_disk = {"in_memory": 0} if kind != "small" else {}
    result = Rewritten(content, tmp_path, kind, source_type=TERM if kind == "full" else None, **on_disk)
    before, after = independent(content), independent(result.new)
    assert after.dtype == before.dtype
    assert after.shape == before.shape
    assert np.array_equal(after[~result.mask], before[~result.mask])
    colours = result.file.pages[0].colours
    value = ~before.dtype.type(result.value) if "inverted" in name else result.value
    assert (after[..., :colours][result.mask] == value).all()
    assert np.array_equal(after[..., colours:], before[..., colours:])  # alpha
    assert (result.written.lossless, result.written.largest_difference) == (True, 0)
    assert (result.written.suffix, result.written.size) == ("", len(result.new))
    same_metadata(content, result.new, stated=kind == "full", widened=bool(result.file.notes))
    table.append((name, kind, "identical", ""))


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("name", JPEG)
def test_a_jpeg_changes_in_touched_blocks_only(name, kind, tmp_path, table):
    content = JPEG[name]()
    result = Rewritten(content, tmp_path, kind, in_memory=0 if kind == "full" else 1 << 30)
    before, after = independent(content).astype(int), independent(result.new).astype(int)
    far = ~result.mask
    if kind == "small":  # the mask, in whole MCUs, and one stored chroma sample beyond, which is interpolated
        far = np.ones(far.shape, np.bool_)
        far[0:34, 0:34] = False
    assert np.array_equal(after[far], before[far])
    outside = np.abs(after - before)[~result.mask]
    assert result.written.largest_difference == (outside.max() if outside.size else 0)
    assert result.written.changed_outside == (outside.max(axis=1) > 0).sum()
    assert not result.written.lossless
    if kind == "empty":
        assert result.new == content
    inside = np.abs(after - result.value)[result.mask]
    assert not inside.size or np.percentile(inside, 90) <= 12
    same_metadata(content, result.new)
    table.append((name, kind, "touched blocks", result.written.largest_difference))


def same_metadata(before, after, stated=False, widened=False):
    """Metadata as Pillow and tifffile read them."""
    if before[:2] in (b"II", b"MM"):
        return same_tags(before, after, stated, widened)
    old, new = (Image.open(io.BytesIO(content)) for content in (before, after))
    old.load()
    new.load()
    for key in ("icc_profile", "exif", "dpi", "comment", "Title", "Raw profile type iptc", "gamma", "jfif"):
        assert new.info.get(key) == old.info.get(key), key
    if stated:
        assert new.info["xmp"].count(TERM.encode()) == 1
    else:
        assert new.info.get("xmp") == old.info.get("xmp")
    assert bool(new.info.get("interlace")) == bool(old.info.get("interlace"))
    assert new.info.get("progressive") == old.info.get("progressive")
    assert getattr(new, "quantization", None) == getattr(old, "quantization", None)
    assert IptcImagePlugin.getiptcinfo(new) == IptcImagePlugin.getiptcinfo(old)
    assert new.getexif().get(274) == old.getexif().get(274)
    assert new.getexif().get_ifd(0x8825) == old.getexif().get_ifd(0x8825)
    return None


# Tags that say where pixels are, and those that a palette's widening changes.
PLACES, PALETTE = {273, 279, 324, 325}, {258, 262, 277, 320}


def same_tags(before, after, stated, widened):
    with tifffile.TiffFile(io.BytesIO(before)) as old, tifffile.TiffFile(io.BytesIO(after)) as new:
        assert (new.byteorder, new.is_bigtiff) == (old.byteorder, old.is_bigtiff)
        tags = new.pages[0].tags
        for tag in old.pages[0].tags:
            if tag.code in PLACES or (widened and tag.code in PALETTE) or (stated and tag.code == 700):
                continue
            assert tags[tag.code].value == tag.value, tag.name
            assert tags[tag.code].dtype == tag.dtype, tag.name
        if stated:
            assert tags[700].value.count(TERM.encode()) == 1
        added = {tag.code for tag in tags} - {tag.code for tag in old.pages[0].tags}
        assert added <= {262, 284, 339, 700} | ({277} if widened else set())  # stated defaults
