"""Every format, depth and mode comes back with its nature, its metadata and its untouched pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from pipeline.archive import imagefile
from pipeline.archive.formats import jpeg, png, tiff, webp
from pipeline.errors import ItemError

TERM = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="a"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MASKS = ("empty", "small", "full")


def picture(channels, deep=False, height=61, width=83):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    layers = [40 + rows * (k + 1) % 90 + columns for k in range(channels)]
    values = np.stack(layers, -1) + rng.integers(0, 4, (height, width, channels))
    return (values * 257).astype(np.uint16) if deep else values.astype(np.uint8)


def exif():
    block = Image.Exif()
    block[274] = 6  # orientation
    block[315] = "A. Painter"
    block.get_ifd(0x8769)[36867] = "2001:02:03 04:05:06"
    return block


def saved(mode, layout, **options):
    target = io.BytesIO()
    channels = {"L": 1, "LA": 2, "RGBA": 4, "CMYK": 4}.get(mode, 3)
    pixels = picture(channels)
    if mode in ("P", "1"):
        image = Image.fromarray(pixels).convert(mode)
    else:
        image = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    image.save(target, layout, **options)
    return target.getvalue()


def tiff16(channels, order="<", big=False, **options):
    target = io.BytesIO()
    pixels = picture(channels, deep=True)
    kind = {1: "minisblack", 3: "rgb", 4: "rgb", 5: "separated"}[channels]
    extra = {"extrasamples": ["unassalpha"]} if channels in (4, 5) else {}
    tifffile.imwrite(
        target, pixels[..., 0] if channels == 1 else pixels, byteorder=order, bigtiff=big,
        photometric=kind, resolution=(300, 300), software="scanner", metadata=None,
        extratags=[(65000, "d", 3, (1.5, 2.5, 3.5), True)], **extra, **options,
    )  # fmt: skip
    return target.getvalue()


def png16(channels):
    import pyvips

    pixels = picture(channels, deep=True)
    name = "grey16" if channels < 3 else "rgb16"
    return pyvips.Image.new_from_array(pixels).copy(interpretation=name).pngsave_buffer(bitdepth=16)


LOSSLESS = {
    "png L": saved("L", "PNG", exif=exif(), dpi=(300, 300)),
    "png LA": saved("LA", "PNG"),
    "png RGB": saved("RGB", "PNG", icc_profile=ICC, exif=exif(), dpi=(300, 300)),
    "png RGBA": saved("RGBA", "PNG", icc_profile=ICC),
    "png palette": saved("P", "PNG"),
    "png 1 bit": saved("1", "PNG"),
    "png 16 L": png16(1),
    "png 16 RGB": png16(3),
    "png 16 RGBA": png16(4),
    "tiff L": saved("L", "TIFF", compression="raw"),
    "tiff RGB lzw": saved("RGB", "TIFF", compression="tiff_lzw", icc_profile=ICC, dpi=(300, 300)),
    "tiff RGBA": saved("RGBA", "TIFF", compression="tiff_adobe_deflate"),
    "tiff CMYK packbits": saved("CMYK", "TIFF", compression="packbits", icc_profile=ICC),
    "tiff 16 L": tiff16(1),
    "tiff 16 RGB tiled": tiff16(3, tile=(32, 32), compression="zlib", predictor=True),
    "tiff 16 RGBA big-endian": tiff16(4, order=">"),
    "bigtiff 16 CMYKA": tiff16(5, big=True),
    "bigtiff big-endian": tiff16(3, order=">", big=True, compression="zlib"),
    "webp RGB": saved("RGB", "WEBP", lossless=True, icc_profile=ICC, exif=exif(), xmp=XMP),
    "webp RGBA": saved("RGBA", "WEBP", lossless=True, exact=True),
}


# Tags that say how pixels are laid out: they may be written in another form.
LAYOUT = {254, 256, 257, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 339}


def rewritten(content, kind="small", **options):
    source = imagefile.read(content, 10)
    height, width = source.pixels.shape[:2]
    mask = np.zeros((height, width), np.bool_)
    if kind == "small":
        mask[10:20, 12:30] = True
    elif kind == "full":
        mask[:] = True
    colour = source.colour.copy()
    colour[mask] = source.peak // 3
    written = imagefile.write(source, colour, mask, **options)
    return source, mask, written, imagefile.read(written.content, 10)


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("name", LOSSLESS)
def test_a_lossless_file_keeps_every_pixel_outside_the_mask_and_its_alpha(name, kind):
    source, mask, written, again = rewritten(LOSSLESS[name], kind)
    assert written.lossless
    assert (written.largest_difference, written.changed_outside, written.suffix) == (0, 0, "")
    assert again.format == source.format
    assert again.pixels.dtype == source.pixels.dtype
    assert np.array_equal(again.pixels[~mask], source.pixels[~mask])
    assert (again.colour[mask] == source.peak // 3).all()
    assert np.array_equal(again.pixels[..., source.colours :], source.pixels[..., source.colours :])


@pytest.mark.parametrize("name", [n for n in LOSSLESS if n.startswith(("png", "webp"))])
def test_another_library_reads_the_same_metadata(name):
    content = LOSSLESS[name]
    _, _, written, _ = rewritten(content)
    before, after = (Image.open(io.BytesIO(c)) for c in (content, written.content))
    before.load()
    after.load()
    for key in ("icc_profile", "exif", "xmp", "dpi"):
        assert after.info.get(key) == before.info.get(key), key


def test_png_chunks_are_kept_byte_for_byte():
    content = LOSSLESS["png RGB"]
    extra = [(b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0Mill"), (b"sBIT", b"\x08\x08\x08")]
    packed = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in extra
    )
    content = content[:33] + packed + content[33:]  # after IHDR
    _, _, written, _ = rewritten(content)
    kept = [c for c in png.chunks(written.content) if c[0] not in (b"IHDR", b"IDAT", b"IEND")]
    assert kept == [c for c in png.chunks(content) if c[0] not in (b"IHDR", b"IDAT", b"IEND")]
    assert {b"gAMA", b"tEXt", b"sBIT", b"iCCP", b"eXIf", b"pHYs"} <= {kind for kind, _ in kept}


@pytest.mark.parametrize("name", [n for n in LOSSLESS if "tiff" in n])
def test_tiff_tags_byte_order_and_layout_are_kept(name):
    content = LOSSLESS[name]
    _, _, written, _ = rewritten(content)
    before, after = tiff.header(content), tiff.header(written.content)
    assert after.big == before.big
    for number in (259, 317, 322, 323, 338):  # compression, predictor, tile size, kind of alpha
        default = int(number == 317)
        assert after.get(number, default) == before.get(number, default), number
    for number in set(before.tags) - LAYOUT:
        assert after.tags[number] == before.tags[number], number
    with tifffile.TiffFile(io.BytesIO(written.content)) as file:  # an independent reader
        assert file.pages[0].shape[:2] == (61, 83)
        if "16" in name or "big" in name:
            assert file.pages[0].tags[65000].value == (1.5, 2.5, 3.5)
            assert file.pages[0].tags["Software"].value == "scanner"


def test_exif_folders_of_a_tiff_are_kept():
    as_tiff = rewritten(JPEGS["RGB 0"], jpeg_output="tiff")[2].content
    _, _, written, _ = rewritten(as_tiff, source_type=TERM)
    image = Image.open(io.BytesIO(written.content))
    assert image.getexif()[315] == "A. Painter"
    assert image.getexif()[274] == 6
    assert image.getexif().get_ifd(0x8769)[36867] == "2001:02:03 04:05:06"
    assert image.info["xmp"].count(TERM.encode()) == 1


JPEGS = {
    f"{mode} {sampling}{' progressive' if progressive else ''}": saved(
        mode, "JPEG", quality=90, subsampling=sampling, progressive=progressive, icc_profile=ICC,
        exif=exif(), xmp=XMP, dpi=(300, 300), comment=b"a note",
    )
    for mode in ("L", "RGB", "CMYK")
    for sampling in ((0, 1, 2) if mode == "RGB" else (0,))
    for progressive in (False, True)
}  # fmt: skip


@pytest.mark.parametrize("name", JPEGS)
def test_a_jpeg_keeps_tables_sampling_and_segments(name):
    content = JPEGS[name]
    source, mask, written, again = rewritten(content)
    assert not written.lossless
    assert jpeg.header(written.content) == jpeg.header(content)
    before, after = (Image.open(io.BytesIO(c)) for c in (content, written.content))
    before.load()
    after.load()
    assert after.quantization == before.quantization
    for key in ("icc_profile", "exif", "xmp", "dpi", "comment"):
        assert after.info[key] == before.info[key], key
    difference = np.abs(again.pixels.astype(int) - source.pixels)[~mask]
    assert written.largest_difference == difference.max()
    assert written.changed_outside == (difference.max(axis=1) > 0).sum()


@pytest.mark.parametrize("sampling", [0, 2])
def test_an_untouched_block_of_a_jpeg_hardly_changes(sampling):
    target = io.BytesIO()
    image = Image.fromarray(picture(3, height=96, width=96))
    image.save(target, "JPEG", quality=90, subsampling=sampling)
    content = target.getvalue()
    source, _, _, again = rewritten(content)
    far = np.s_[32:, :]  # beyond the touched blocks
    changed = (again.pixels[far] != source.pixels[far]).any(axis=-1).mean()
    plain = io.BytesIO()
    tables = Image.open(io.BytesIO(content)).quantization
    Image.fromarray(source.pixels).save(plain, "JPEG", qtables=tables, subsampling=sampling)
    naive = imagefile.read(plain.getvalue(), 10).pixels
    assert changed <= 0.05
    assert changed <= (naive[far] != source.pixels[far]).any(axis=-1).mean()


def test_a_jpeg_can_become_a_lossless_tiff_with_its_metadata():
    content = JPEGS["RGB 2"]
    source, mask, written, again = rewritten(content, jpeg_output="tiff")
    assert (written.suffix, written.lossless, written.largest_difference) == (".tif", True, 0)
    assert np.array_equal(again.pixels[~mask], source.pixels[~mask])
    image = Image.open(io.BytesIO(written.content))
    assert image.info["icc_profile"] == ICC
    assert image.info["dpi"] == pytest.approx((300, 300))
    assert image.getexif()[315] == "A. Painter"
    assert image.getexif().get_ifd(0x8769)[36867] == "2001:02:03 04:05:06"
    assert image.info["xmp"] == XMP


def test_a_lossy_webp_is_written_losslessly_and_says_so():
    source, mask, written, again = rewritten(saved("RGB", "WEBP", quality=80))
    assert "lossy WebP written losslessly" in written.notes
    assert webp.header(written.content).lossless
    assert np.array_equal(again.pixels[~mask], source.pixels[~mask])


@pytest.mark.parametrize("content", [LOSSLESS["png RGB"], LOSSLESS["tiff L"], LOSSLESS["webp RGB"],
                                     LOSSLESS["webp RGBA"], JPEGS["RGB 2"], JPEGS["L 0"]])  # fmt: skip
def test_the_source_type_is_stated_beside_what_the_packet_holds(content):
    _, _, written, again = rewritten(content, source_type=TERM)
    assert written.states_source_type
    packet = Image.open(io.BytesIO(written.content)).info["xmp"]
    assert TERM.encode() in packet
    assert packet.count(b"DigitalSourceType") == 1
    if XMP in content:
        assert b'dc:format="a"' in packet
    _, _, twice, _ = rewritten(again.content, source_type=TERM.replace("Enhanced", "Altered"))
    packet = Image.open(io.BytesIO(twice.content)).info["xmp"]
    assert packet.count(b"DigitalSourceType") == 1
    assert b"algorithmicallyAltered" in packet


def animated(layout):
    target = io.BytesIO()
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(target, layout, save_all=True, append_images=frames[1:])
    return target.getvalue()


def declared(width, height):
    data = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", data), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    return png.SIGNATURE + body


BAD = {
    "nothing": (b"", "empty"),
    "text": (b"hello, this is text", "no image"),
    "gif": (animated("GIF"), "GIF"),
    "animated png": (animated("PNG"), "animated"),
    "animated webp": (animated("WEBP"), "animated"),
    "two pages": (animated("TIFF"), "2 pages"),
    "bomb": (declared(60_000, 60_000), "max_megapixels|readable"),
    "truncated png": (LOSSLESS["png RGB"][:3000], "truncated"),
    "truncated jpeg": (JPEGS["RGB 2"][:-900], "decoded"),
    "truncated tiff": (LOSSLESS["tiff RGB lzw"][:4000], "damaged|readable|decoded"),
    "truncated webp": (LOSSLESS["webp RGB"][:2000], "truncated"),
    "float": (tiff16(1)[:4] + b"\xff\xff\xff\x7f", "damaged"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_kept_is_refused_with_a_reason(name):
    content, reason = BAD[name]
    with pytest.raises(ItemError, match=reason):
        imagefile.read(content, 100)


def test_a_header_above_the_limit_is_refused_unread():
    with pytest.raises(ItemError, match=r"61|83 x 61|max_megapixels"):
        imagefile.read(LOSSLESS["png RGB"], 0.001)


def test_a_mask_of_another_size_names_both_sizes():
    with pytest.raises(ItemError, match=r"83 x 61 pixels, the picture has 50 x 40"):
        imagefile.read_mask(LOSSLESS["png L"], (40, 50))


def test_a_mask_is_true_where_it_is_white():
    pixels = np.zeros((20, 30), np.uint8)
    pixels[3:7, 4:9] = 255
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    assert np.array_equal(imagefile.read_mask(target.getvalue(), (20, 30)), pixels > 0)
