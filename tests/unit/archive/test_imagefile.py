"""What is refused and why, pages, sizes, masks, and what is stated in a written file."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.archive import vips
from pipeline.archive.canvas import Canvas
from pipeline.archive.filetypes import PNG
from pipeline.archive.formats import png, tiff, tiffwrite, webp
from pipeline.archive.imagefile import decode, decode_mask, open_image
from pipeline.archive.imagewrite import NewPage, write
from pipeline.errors import ItemError
from tests.pictures import (
    ICC,
    TERM,
    XMP,
    Rewritten,
    exif,
    full_png,
    independent,
    mask_of,
    picture,
    png_chunk,
    put,
    saved,
    tagged_tiff,
    tiff_page,
    whole,
)


def jpeg(mode="RGB"):
    return saved(mode, "JPEG", quality=90, icc_profile=ICC, exif=exif(), xmp=XMP, dpi=(300, 300))


WEBP = saved("RGB", "WEBP", lossless=True, icc_profile=ICC, exif=exif(), xmp=XMP)


def opened(content, folder, max_megapixels=10):
    path = folder / "picture"
    path.write_bytes(content)
    return open_image(path, max_megapixels)


def rewritten_pages(content, folder, changes, source_type=None, jpeg_output="jpeg"):
    """Write a file again; `changes` gives for a page its mask kind, or how many times larger it is to be."""
    file = opened(content, folder)
    pages, sources = [], []
    for number, page in enumerate(file.pages):
        canvas = Canvas(page.shape, page.dtype, page.colours, folder)
        decode(file, number, canvas)
        sources.append(whole(canvas))
        change = changes.get(number)
        if isinstance(change, int):
            larger = Canvas((page.height * change, page.width * change, page.channels), page.dtype,
                            page.colours, folder)  # fmt: skip
            put(larger, sources[-1].repeat(change, 0).repeat(change, 1))
            pages.append(NewPage(larger, None))
        elif change:
            mask = Canvas((*page.shape[:2], 1), np.uint8, 1, folder)
            put(mask, mask_of(change, page.shape[:2])[..., None] * np.uint8(255))
            values = whole(canvas)
            values[..., : page.colours][whole(mask)[..., 0] > 0] = canvas.peak // 3
            put(canvas, values)
            pages.append(NewPage(canvas, mask))
        else:
            pages.append(None)
    written = write(file, pages, folder / "target", source_type, jpeg_output, folder)
    return file, sources, written, (folder / "target").read_bytes()


# --- containers ---


def test_png_chunks_are_kept_byte_for_byte(tmp_path):
    content = full_png("RGB")
    extra = [(b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Author\0Me"), (b"sBIT", b"\x08\x08\x08")]
    content = content[:33] + b"".join(png_chunk(*chunk) for chunk in extra) + content[33:]  # after IHDR
    new = Rewritten(content + b"behind the end", tmp_path).new
    old = [c.whole.read() for c in png.chunks(content) if c.kind not in (b"IHDR", b"IDAT")]
    kept = [c for c in png.chunks(new) if c.kind not in (b"IHDR", b"IDAT")]
    assert [chunk.whole.read() for chunk in kept] == old
    assert {b"gAMA", b"tEXt", b"sBIT", b"iCCP", b"eXIf", b"pHYs", b"iTXt"} <= {chunk.kind for chunk in kept}
    assert new.endswith(b"behind the end")


def test_a_compressed_xmp_packet_of_a_png_is_kept_when_the_source_type_is_added(tmp_path):
    packet = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)
    content = saved("L", "PNG")
    content = content[:33] + png_chunk(b"iTXt", packet) + content[33:]
    stated = png.xmp(Rewritten(content, tmp_path, source_type=TERM).new)
    assert b'dc:format="a"' in stated
    assert TERM.encode() in stated


def test_a_lossy_webp_is_written_losslessly_and_says_so(tmp_path):
    result = Rewritten(saved("RGB", "WEBP", quality=80), tmp_path)
    assert "lossy WebP written losslessly" in result.written.notes
    assert not result.file.lossless
    assert webp.header(result.new).lossless
    assert np.array_equal(independent(result.new)[~result.mask], independent(result.content)[~result.mask])


def test_a_jpeg_inside_tiff_is_written_losslessly_and_says_so(tmp_path):
    content = tagged_tiff("RGB", compression="jpeg", tile=(32, 32))
    result = Rewritten(content, tmp_path)
    assert result.written.notes == ("YCbCr written as RGB", "compression changed to deflate (lossless)")
    assert np.array_equal(independent(result.new), result.wanted)
    assert not result.file.lossless
    assert result.written.lossless


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_can_become_a_lossless_tiff_with_its_metadata(mode, tmp_path):
    result = Rewritten(jpeg(mode), tmp_path, jpeg_output="tiff")
    written = result.written
    assert (written.suffix, written.lossless, written.largest_difference) == (".tif", True, 0)
    assert np.array_equal(independent(result.new)[~result.mask], result.source[~result.mask])
    image = Image.open(io.BytesIO(result.new))
    assert image.info["icc_profile"] == ICC
    assert image.info["dpi"] == pytest.approx((300, 300))
    assert image.info["xmp"] == XMP
    (tmp_path / "again").mkdir()
    again = Rewritten(result.new, tmp_path / "again", source_type=TERM)
    image = Image.open(io.BytesIO(again.new))
    assert image.getexif()[315] == "A. Painter"
    assert image.getexif()[274] == 6
    assert image.getexif().get_ifd(0x8769)[36867] == "2001:02:03 04:05:06"
    assert image.getexif().get_ifd(0x8825)[1] == "N"
    assert image.info["xmp"].count(TERM.encode()) == 1


@pytest.mark.parametrize("content", [full_png("RGB"), tagged_tiff("L"), WEBP, saved("L", "PNG"), jpeg(),
                                     saved("RGBA", "WEBP", lossless=True), saved("L", "JPEG")])  # fmt: skip
def test_the_source_type_is_stated_beside_what_the_packet_holds(content, tmp_path):
    result = Rewritten(content, tmp_path, source_type=TERM)
    assert result.written.states_source_type
    packet = Image.open(io.BytesIO(result.new)).info["xmp"]
    assert packet.count(TERM.encode()) == packet.count(b"DigitalSourceType") == 1
    assert (XMP in content) == (b'dc:format="a"' in packet)
    (tmp_path / "again").mkdir()
    twice = Rewritten(result.new, tmp_path / "again", source_type=TERM.replace("Enhanced", "Altered"))
    packet = Image.open(io.BytesIO(twice.new)).info["xmp"]
    assert packet.count(b"DigitalSourceType") == 1
    assert b"algorithmicallyAltered" in packet


def test_a_large_private_value_is_copied_and_not_read(tmp_path):
    target = io.BytesIO()
    layers = os.urandom(1 << 21)
    tifffile.imwrite(target, picture(3), photometric="rgb", metadata=None,
                     extratags=[(37724, "B", len(layers), layers, True)])  # fmt: skip
    result = Rewritten(target.getvalue(), tmp_path)
    assert isinstance(tiff.header(target.getvalue()).folders[0].tags[37724].data, tiff.Part)
    assert any("layers of Photoshop" in note for note in result.written.notes)
    with tifffile.TiffFile(io.BytesIO(result.new)) as file:
        assert bytes(file.pages[0].tags[37724].value) == layers


def test_a_classic_tiff_that_grows_too_large_becomes_a_bigtiff_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(tiffwrite, "CLASSIC_LIMIT", 10_000)
    result = Rewritten(tagged_tiff("RGB"), tmp_path)
    assert result.written.notes == ("written as BigTIFF: a classic TIFF holds 4 GB at most",)
    with tifffile.TiffFile(io.BytesIO(result.new)) as file:
        assert file.is_bigtiff
        assert np.array_equal(tiff_page(file.pages[0]), result.wanted)


def test_a_disk_that_is_full_is_no_fault_of_the_picture(tmp_path, monkeypatch):
    library = vips.library()
    error = library.Error("unable to call tiffsave_target", "target: write error\nNo space left on device")
    with Canvas((20, 30, 3), np.uint8, 3, tmp_path) as canvas:
        image = canvas.image()
        monkeypatch.setattr(
            library.Target, "new_to_descriptor", lambda descriptor: (_ for _ in ()).throw(error)
        )
        with pytest.raises(OSError, match="No space left"):
            vips.save(image, tmp_path / "new.tif", "tiffsave")


# --- pages ---


def pages_tiff(order="<"):
    """Three pages of different kinds: 16-bit grey, a palette, RGB in tiles."""
    target = io.BytesIO()
    colours = np.arange(768, dtype=np.uint16).reshape(3, 256) * 85
    with tifffile.TiffWriter(target, byteorder=order) as file:

        def page(number, pixels, **options):
            tags = [(297, "H", 2, (number, 3), True)]
            file.write(pixels, metadata=None, extratags=tags, description=f"page {number}", **options)

        page(0, picture(1, deep=True)[..., 0], photometric="minisblack", compression="zlib", predictor=True)
        page(1, picture(1)[..., 0] // 64, photometric="palette", colormap=colours)
        tiles = {"tile": (32, 32), "compression": "lzw", "iccprofile": ICC}
        page(2, picture(3, height=40, width=50), photometric="rgb", **tiles)
    return target.getvalue()


def stored(page):
    handle = page.parent.filehandle
    parts = []
    for place, size in zip(page.dataoffsets, page.databytecounts, strict=True):
        handle.seek(place)
        parts.append(handle.read(size))
    return parts


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("changed", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_pages_that_stay_keep_their_bytes_and_the_others_their_tags(changed, order, tmp_path):
    content = pages_tiff(order)
    file, sources, written, new = rewritten_pages(content, tmp_path, dict.fromkeys(changed, "small"), TERM)
    assert [page.shape for page in file.pages] == [(61, 83, 1), (61, 83, 3), (40, 50, 3)]
    assert written.states_source_type
    assert ("palette widened to RGB" in written.notes) == (1 in changed)
    with tifffile.TiffFile(io.BytesIO(content)) as before, tifffile.TiffFile(io.BytesIO(new)) as after:
        assert len(after.pages) == 3
        for number, (old, got) in enumerate(zip(before.pages, after.pages, strict=True)):
            assert got.tags[297].value == old.tags[297].value
            assert got.description == old.description
            assert got.compression == old.compression
            if number not in changed:
                assert stored(got) == stored(old)
                assert {t.code for t in got.tags} == {t.code for t in old.tags}
            else:
                mask = mask_of("small", sources[number].shape[:2])
                pixels = tiff_page(got)
                assert np.array_equal(pixels[~mask], sources[number][~mask])
                assert (pixels[mask] == np.iinfo(pixels.dtype).max // 3).all()
        assert after.pages[2].iccprofile == ICC


def test_a_file_of_which_no_page_changes_is_copied(tmp_path):
    content = pages_tiff()
    _, _, written, new = rewritten_pages(content, tmp_path, {}, TERM)
    assert new == content
    assert (written.notes, written.states_source_type, written.size) == ((), False, len(content))


def test_reduced_copies_follow_their_page_where_it_changed(tmp_path):
    big = picture(3, height=128, width=96)
    small = big.reshape(64, 2, 48, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as file:
        file.write(big, photometric="rgb", metadata=None)
        file.write(small, photometric="rgb", metadata=None, subfiletype=1)
        file.write(picture(1)[..., 0], photometric="minisblack", metadata=None)
    content = target.getvalue()
    file, _, written, new = rewritten_pages(content, tmp_path, {0: "small"}, TERM)
    assert [page.folder for page in file.pages] == [0, 2]
    assert written.notes == ("reduced copies brought in line with their page",)
    assert written.states_source_type
    with tifffile.TiffFile(io.BytesIO(new)) as after:
        assert after.pages[1].tags[254].value == 1
        assert 700 not in after.pages[1].tags
        got = tiff_page(after.pages[1])
        mask = mask_of("small", big.shape[:2]).reshape(64, 2, 48, 2).any(axis=(1, 3))
        around = np.zeros_like(mask)
        around[4:11, 5:16] = True  # what the reduction sees of the mask
        assert np.array_equal(got[~around], small[~around])
        assert np.abs(got[6:9, 7:14].astype(int) - 85).max() <= 1
        assert not np.array_equal(got[mask], small[mask])
    (tmp_path / "larger").mkdir()
    _, _, _, new = rewritten_pages(content, tmp_path / "larger", {0: 2})
    with tifffile.TiffFile(io.BytesIO(new)) as after:
        assert [page.shape[:2] for page in after.pages] == [(256, 192), (128, 96), (61, 83)]


# --- other sizes ---


@pytest.mark.parametrize("content", [full_png("RGB"), tagged_tiff("RGB", order=">"), jpeg(), WEBP,
                                     saved("RGB", "TIFF", exif=exif(), dpi=(300, 300))])  # fmt: skip
def test_a_larger_picture_keeps_its_print_size(content, tmp_path):
    _, _, written, new = rewritten_pages(content, tmp_path, {0: 2}, TERM)
    assert written.largest_difference == 0
    image = Image.open(io.BytesIO(new))
    assert sorted(image.size) == [122, 166]  # Pillow turns a TIFF by its orientation
    if "dpi" in Image.open(io.BytesIO(content)).info:
        assert image.info["dpi"] == pytest.approx((600, 600), abs=0.1)
    inner = image.getexif().get_ifd(0x8769)
    if inner:
        assert (inner[40962], inner[40963]) == (166, 122)
    assert not inner or inner[36867] == "2001:02:03 04:05:06"


def test_a_jpeg_becomes_a_larger_tiff(tmp_path):
    _, sources, _, new = rewritten_pages(jpeg(), tmp_path, {0: 2}, jpeg_output="tiff")
    assert np.array_equal(independent(new), sources[0].repeat(2, 0).repeat(2, 1))
    assert Image.open(io.BytesIO(new)).info["dpi"] == pytest.approx((600, 600), abs=0.1)


def test_a_webp_that_would_be_too_large_is_refused(tmp_path):
    target = io.BytesIO()
    Image.new("L", (9000, 2)).save(target, "WEBP", lossless=True)
    with pytest.raises(ItemError, match=r"18000 x 4 pixels; WebP holds 16383"):
        rewritten_pages(target.getvalue(), tmp_path, {0: 2})


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
@pytest.mark.parametrize("layout", ["PNG", "TIFF", "WEBP", "JPEG"])
def test_thin_pictures_pass(size, layout, tmp_path):
    target = io.BytesIO()
    Image.new("RGB", size, (9, 8, 7)).save(target, layout, **({"lossless": True} if layout == "WEBP" else {}))
    result = Rewritten(target.getvalue(), tmp_path, "full", in_memory=0)
    difference = np.abs(independent(result.new).astype(int) - 85).max()
    allowed = 24 if size == (1, 1) else 3  # of a lone pixel, 63 of 64 samples of its block are not seen
    assert difference <= (allowed if layout == "JPEG" else 0)


# --- bad input ---


def animated(layout, mode="RGB"):
    target = io.BytesIO()
    frames = [Image.new(mode, (40, 30), colour) for colour in ("red", "blue")]
    frames[0].save(target, layout, save_all=True, append_images=frames[1:])
    return target.getvalue()


def declared(width, height):
    data = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", data), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return PNG + b"".join(png_chunk(*chunk) for chunk in chunks)


def odd_tiff(pixels, **options):
    target = io.BytesIO()
    tifffile.imwrite(target, pixels, metadata=None, **options)
    return target.getvalue()


def with_sub_image():
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as file:
        for options in ({"subifds": 1}, {"subfiletype": 1}):
            file.write(picture(1)[..., 0], photometric="minisblack", metadata=None, **options)
    return target.getvalue()


def with_huge_tiles():
    target = io.BytesIO(odd_tiff(picture(1)[..., 0], tile=(32, 32)))
    with tifffile.TiffFile(target, mode="r+") as file:
        for number in (322, 323):
            file.pages[0].tags[number].overwrite(65520)
        file.filehandle.flush()
    return target.getvalue()


def damaged(content, place):
    """The file with a few bytes of its pixels overwritten."""
    return content[:place] + bytes(b ^ 0x55 for b in content[place : place + 40]) + content[place + 40 :]


LZW = saved("RGB", "TIFF", compression="tiff_lzw", dpi=(300, 300))
ZSTD = odd_tiff(picture(1)[..., 0], compression="zstd")
BAD = {
    "nothing": (b"", "empty"),
    "text": (b"hello, this is text", "no image"),
    "gif": (animated("GIF"), "GIF"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000 file, which this build of libvips cannot read"),
    "animated png": (animated("PNG"), "animated"),
    "animated webp": (animated("WEBP"), "animated"),
    "mpo": (animated("MPO"), "MPO"),
    "bomb": (declared(60_000, 60_000), "max_megapixels|readable"),
    "truncated png": (full_png("RGB")[:3000], "truncated"),
    "truncated jpeg": (jpeg()[:-900], "decoded"),
    "truncated jpeg header": (jpeg()[:300], "ends before its pixels"),
    "truncated tiff": (LZW[:4000], "damaged|readable|decoded"),
    "truncated tiff strips": (tagged_tiff("RGB")[:-100], "cut off, 100 bytes are missing"),
    "truncated webp": (WEBP[:2000], "truncated"),
    "damaged png": (damaged(full_png("L"), full_png("L").index(b"IDAT") + 900), "decoded"),
    "damaged zstd": (damaged(ZSTD, ZSTD.index(b"\x28\xb5\x2f\xfd") + 4), "decoded"),
    "damaged deflate": (damaged(tagged_tiff("L", compression="zlib"), 1500), "decoded"),
    "no folder": (tagged_tiff("L")[:4] + b"\xff\xff\xff\x7f", "damaged"),
    "float": (odd_tiff(picture(1)[..., 0].astype(np.float32)), "not restored"),
    "32 bits": (odd_tiff(picture(1)[..., 0].astype(np.uint32)), "32 bits a sample"),
    "Lab": (odd_tiff(picture(3), photometric="cielab"), "not restored"),
    "plain YCbCr": (odd_tiff(picture(3), photometric="ycbcr"), "not restored"),
    "associated alpha": (odd_tiff(picture(4), photometric="rgb", extrasamples=["assocalpha"]), "associated"),
    "six channels": (odd_tiff(picture(6), photometric="rgb", planarconfig="contig"), "6 channels"),
    "lzma": (odd_tiff(picture(1)[..., 0], compression="lzma"), "compression that cannot be read"),
    "sub-images": (with_sub_image(), "sub-images"),
    "huge tiles": (with_huge_tiles(), "tiles of more than 256 MB"),
    "bilevel page": (animated("TIFF", "1"), "page 1 has 1 bits a sample"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_kept_is_refused_with_a_reason(name, tmp_path):
    content, reason = BAD[name]
    with pytest.raises(ItemError, match=reason):
        file = opened(content, tmp_path, 100)
        page = file.pages[0]
        with Canvas(page.shape, page.dtype, page.colours, tmp_path) as canvas:
            decode(file, 0, canvas)
    assert [path.name for path in tmp_path.iterdir()] == ["picture"]


def test_a_header_above_the_limit_is_refused_unread(tmp_path):
    with pytest.raises(ItemError, match=r"declares 83 x 61 pixels: more than max_megapixels 0.001"):
        opened(full_png("RGB"), tmp_path, 0.001)
    with pytest.raises(ItemError, match=r"declares 100000 x 100000 pixels: more than max_megapixels 1000"):
        opened(declared(100_000, 100_000), tmp_path, 1000)


def test_what_was_written_is_compared_with_what_was_meant(tmp_path, monkeypatch):
    real = vips.save

    def other(image, path, saver, **options):
        real(image.invert(), path, saver, **options)

    monkeypatch.setattr(vips, "save", other)
    for content in (full_png("L"), tagged_tiff("L")):
        with pytest.raises(ItemError, match="reading it back gave other pixels"):
            rewritten_pages(content, tmp_path, {0: "small"})


def test_a_file_that_is_cut_off_while_it_is_written_is_refused(tmp_path):
    file = opened(pages_tiff(), tmp_path)
    page = file.pages[0]
    with Canvas(page.shape, page.dtype, page.colours, tmp_path) as canvas:
        decode(file, 0, canvas)
        os.truncate(file.path, file.size - 2000)
        with pytest.raises(ItemError, match=r"cut off|damaged"):
            write(file, [NewPage(canvas, None), None, None], tmp_path / "new", None, "jpeg", tmp_path)


# --- masks ---


def decoded_mask(content, folder, shape=(61, 83), page=0):
    path = folder / "mask [0]"
    path.write_bytes(content)
    with Canvas((*shape, 1), np.uint8, 1, folder) as canvas:
        kind = decode_mask(path, shape, canvas, page)
        return kind, whole(canvas)[..., 0]


def test_a_mask_of_another_size_names_both_sizes(tmp_path):
    with pytest.raises(ItemError, match=r"^its mask has 83 x 61 pixels, the picture has 50 x 40"):
        decoded_mask(saved("L", "PNG"), tmp_path, (40, 50))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its mask is empty"),
        (b"no image at all", "its mask is not a readable image"),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg' width='83' height='61'/>",
            "its mask is no(t a readable)? image",
        ),
        (saved("L", "PNG")[:-300], "its mask is a truncated PNG"),
        (tagged_tiff("L")[:-100], "its mask cannot be decoded: the file is cut off"),
        (saved("L", "JPEG")[:-500], "its mask .* premature end"),
    ],
)
def test_a_mask_that_cannot_be_read_says_why(content, reason, tmp_path):
    with pytest.raises(ItemError, match=reason):
        decoded_mask(content, tmp_path)


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "LA", "P", "I;16"])
@pytest.mark.parametrize("layout", ["PNG", "TIFF"])
def test_a_mask_is_set_where_it_is_white(mode, layout, tmp_path):
    pixels = mask_of("small", (61, 83)) * np.uint8(255)
    image = Image.fromarray(pixels)
    image = Image.fromarray(pixels.astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    target = io.BytesIO()
    image.save(target, layout)
    kind, mask = decoded_mask(target.getvalue(), tmp_path)
    assert np.array_equal(mask, pixels)
    assert kind is None


def test_a_mask_says_what_kind_of_damage_it_marks(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    for add in ("add_text", "add_itxt"):
        texts = PngInfo()
        getattr(texts, add)("kind", "cracks")
        assert decoded_mask(saved("L", "PNG", pnginfo=texts), tmp_path)[0] == "cracks"


def test_a_mask_may_have_pages(tmp_path):
    target = io.BytesIO()
    first, second = Image.new("L", (83, 61), 0), Image.new("L", (83, 61), 255)
    first.save(target, "TIFF", save_all=True, append_images=[second])
    assert not decoded_mask(target.getvalue(), tmp_path)[1].any()
    assert decoded_mask(target.getvalue(), tmp_path, page=1)[1].all()
    with pytest.raises(ItemError, match="its mask has 2 pages"):
        decoded_mask(target.getvalue(), tmp_path, page=2)
