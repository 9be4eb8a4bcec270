"""A JPEG with new pixels in some blocks: every other coefficient stays, whatever kind of JPEG it is."""

import io
import struct
from dataclasses import replace

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.archive.canvas import Canvas
from pipeline.archive.formats import jpeg, jpeg_edit, jpeg_encode, jpeg_file, jpeg_symbols
from pipeline.archive.formats.jpeg_bits import Writer
from pipeline.archive.formats.jpeg_huffman import Table
from pipeline.errors import ItemError
from pipeline.metrics import psnr

KINDS = {
    "plain": {"quality": 90},
    "full chroma": {"quality": 75, "subsampling": 0},
    "half chroma": {"quality": 95, "subsampling": 1},
    "optimised": {"quality": 85, "optimize": True},
    "restarts": {"quality": 85, "restart_marker_blocks": 3},
    "restarts by row, optimised": {"quality": 85, "restart_marker_rows": 1, "optimize": True},
    "progressive": {"quality": 90, "progressive": True},
    "progressive, coarse": {"quality": 30, "progressive": True, "subsampling": 0},
    "progressive, restarts": {"quality": 90, "progressive": True, "restart_marker_blocks": 5},
    "stored as RGB": {"quality": 85, "keep_rgb": True},
}


def drawing(height, width, mode, seed=0):
    """Soft waves of colour under some grain."""
    grain = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin((x + 2 * n * y) / (9 + 4 * n) + seed) + np.cos(y / (7 + n)) for n in range(4)]
    pixels = 128 + 45 * np.stack(waves, axis=-1) + grain.normal(0, 6, (height, width, 1))
    channels = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
    return pixels.clip(0, 255).astype(np.uint8)[..., :channels]


def encoded(pixels, **options):
    target = io.BytesIO()
    shown = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    Image.fromarray(shown, {1: "L", 3: "RGB", 4: "CMYK"}[pixels.shape[2]]).save(target, "JPEG", **options)
    return target.getvalue()


def decoded(content):
    image = pyvips.Image.new_from_buffer(content, "", fail_on="error")
    return image.numpy().reshape(image.height, image.width, image.bands)


def pillow(content):
    pixels = np.asarray(Image.open(io.BytesIO(content))).astype(int)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def canvas(pixels, folder):
    result = Canvas(pixels.shape, np.uint8, pixels.shape[2], folder)
    result.write((slice(0, pixels.shape[0]), slice(0, pixels.shape[1])), pixels)
    return result


def rewritten(content, pixels, mask, folder, source_type=None):
    marked = np.where(mask, 255, 0).astype(np.uint8)[..., None]
    return jpeg.rewrite(content, canvas(pixels, folder), canvas(marked, folder), source_type)


def coefficients(content):
    """Of each component the blocks that hold pixels, (rows, columns, 64)."""
    file = jpeg_file.parse(content)
    edit, result = jpeg_edit.editor(file), []
    for number in range(len(file.frame.components)):
        rows, columns = file.frame.coded(number)
        y, x = np.divmod(np.arange(rows * columns), columns)
        result.append(edit.read(number, y, x).reshape(rows, columns, 64))
    return result


def block_sizes(content):
    """Height and width in pixels of a block of each component."""
    frame = jpeg_file.parse(content).frame
    across, down = frame.sampling
    return [(8 * down // part.down, 8 * across // part.across) for part in frame.components]


def blocks_with(mask, size):
    """The blocks of this size that hold a masked pixel."""
    below, right = -mask.shape[0] % size[0], -mask.shape[1] % size[1]
    padded = np.pad(mask, ((0, below), (0, right)))
    return padded.reshape(padded.shape[0] // size[0], size[0], -1, size[1]).any(axis=(1, 3))


def away(mask, sizes):
    """The pixels that no touched block can reach.

    Those outside every touched block, and farther than one pixel from one of subsampled chroma: decoders
    interpolate chroma, so that a pixel beside such a block takes a quarter of its colour from it.
    """
    reached = np.zeros(mask.shape, bool)
    for size in sizes:
        area = blocks_with(mask, size).repeat(size[0], axis=0).repeat(size[1], axis=1)
        area = area[: mask.shape[0], : mask.shape[1]]
        if size != (8, 8):
            padded = np.pad(area, 1)
            around = [padded[y : y + len(area), x : x + area.shape[1]] for y in range(3) for x in range(3)]
            area = np.any(around, axis=0)
        reached |= area
    return ~reached


def cracks(height, width):
    mask = np.zeros((height, width), bool)
    mask[height // 3 : height // 3 + 3, width // 8 : -width // 3] = True
    mask[height // 2 :, width // 2 : width // 2 + 2] = True
    return mask


def check(content, mask, wanted, folder):
    """Rewrite and prove: coefficients outside touched blocks, and pixels away from them, are the same."""
    result = rewritten(content, wanted, mask, folder)
    for old, new, size in zip(
        coefficients(content), coefficients(result.content), block_sizes(content), strict=True
    ):
        assert np.array_equal(old[~blocks_with(mask, size)], new[~blocks_with(mask, size)])
    free = away(mask, block_sizes(content))
    assert np.array_equal(pillow(content)[free], pillow(result.content)[free])
    assert jpeg.header(result.content) == jpeg.header(content)
    return result


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
def test_only_touched_blocks_change_and_come_near_to_what_is_wanted(kind, mode, tmp_path):
    height, width = 75, 93
    content = encoded(drawing(height, width, mode), **KINDS[kind])
    mask = cracks(height, width)
    wanted = decoded(content)
    wanted[mask] = drawing(height, width, mode, seed=3)[mask]
    result = check(content, mask, wanted, tmp_path)
    whole = decoded(encoded(wanted, **KINDS[kind]))
    got = decoded(result.content)
    assert psnr(got[mask], wanted[mask], peak=255) > psnr(whole[mask], wanted[mask], peak=255) - 0.7
    before, after = (Image.open(io.BytesIO(data)) for data in (content, result.content))
    assert before.quantization == after.quantization
    assert [count(content, marker) for marker in range(0xD0, 0xD8)] == [
        count(result.content, marker) for marker in range(0xD0, 0xD8)
    ]


def count(content, marker):
    return sum(part.entropy.count(bytes([0xFF, marker])) for part in jpeg_file.parse(content).scans)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_all_kinds_of_one_picture_decode_to_the_same_coefficients(mode):
    pixels = drawing(61, 85, mode)
    kinds = [{}, {"optimize": True}, {"restart_marker_blocks": 4}, {"progressive": True},
             {"progressive": True, "restart_marker_blocks": 3}]  # fmt: skip
    first, *others = [coefficients(encoded(pixels, quality=80, **kind)) for kind in kinds]
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_mask_gives_the_same_bytes(kind, tmp_path):
    content = encoded(drawing(40, 56, "RGB"), **KINDS[kind]) + b"trailer"
    result = rewritten(content, decoded(content), np.zeros((40, 56), bool), tmp_path)
    assert result == jpeg.Rewritten(content, False, ())


@given(
    st.integers(1, 50), st.integers(1, 50), st.sampled_from(["L", "RGB"]),
    st.sampled_from(sorted(KINDS)), st.data(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_size_and_mask(tmp_path_factory, height, width, mode, kind, data):
    content = encoded(drawing(height, width, mode), **KINDS[kind])
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    mask = np.zeros((height, width), bool)
    mask[y : y + data.draw(st.integers(1, 20)), x : x + data.draw(st.integers(1, 20))] = True
    wanted = decoded(content)
    wanted[mask] = data.draw(st.integers(0, 255))
    check(content, mask, wanted, tmp_path_factory.getbasetemp())


def test_unmasked_pixels_of_the_canvas_play_no_part(tmp_path):
    content = encoded(drawing(48, 64, "RGB"), quality=85)
    mask = cracks(48, 64)
    wanted = decoded(content)
    other = np.where(mask[..., None], wanted, 255 - wanted)
    assert rewritten(content, wanted, mask, tmp_path) == rewritten(content, other, mask, tmp_path)


def test_inks_coded_as_ycck(tmp_path):
    pixels = drawing(40, 56, "CMYK")
    content = bytearray(encoded(pixels, quality=92))
    content[content.index(b"Adobe") + 11] = 2  # its components are now read as YCCK
    mask, wanted = cracks(40, 56), decoded(bytes(content))
    wanted[mask] = [90, 140, 120, 60]
    result = check(bytes(content), mask, wanted, tmp_path)
    got = decoded(result.content)
    assert np.abs(got[mask].astype(int) - wanted[mask]).mean() < 12
    assert psnr(got[mask], wanted[mask], peak=255) > 25


def apart(content):
    """The same sequential picture with one scan for each component."""
    file = jpeg_file.parse(content)
    frame, (scan,) = file.frame, file.scans
    edit, coded, scans = jpeg_edit.editor(file), [], []
    for slot, number in enumerate(scan.slots):
        rows, columns = frame.stored(number)
        y, x = np.divmod(np.arange(rows * columns), columns)
        plane = edit.read(number, y, x).reshape(rows, columns, 64)
        dc, ac = scan.selectors[slot]
        data = bytes([1, frame.components[number].identity, dc << 4 | ac, 0, 63, 0])
        scans.append(replace(scan, data=data, slots=(number,), selectors=((dc, ac),)))
        coded.append(jpeg_edit.Coded(*jpeg_encode.sequential(frame, scans[-1], [(0, {number: plane})])))
    parts = [part for part in file.parts if isinstance(part, jpeg_file.Segment)]
    return jpeg_edit.assemble([*parts, *scans], coded, file.tail)


@pytest.mark.parametrize("kind", ["plain", "restarts", "optimised"])
def test_components_in_scans_of_their_own(kind, tmp_path):
    together = encoded(drawing(75, 93, "RGB"), **KINDS[kind])
    content = apart(together)
    assert np.array_equal(pillow(content), pillow(together))
    mask, wanted = cracks(75, 93), decoded(content)
    wanted[mask] = 200
    result = check(content, mask, wanted, tmp_path)
    assert len(jpeg_file.parse(result.content).scans) == 3
    assert np.array_equal(pillow(result.content), pillow(check(together, mask, wanted, tmp_path).content))


def test_codes_are_added_after_those_there_are():
    table = Table(bytes([0, 2, 1] + [0] * 13), bytes([5, 6, 7]))
    more, same = table.with_symbols([5, 9, 8])
    assert same
    for symbol in (5, 6, 7):
        assert [part[symbol] for part in more.codes] == [part[symbol] for part in table.codes]
    assert more.codes[1][[8, 9]].min() > 0
    assert table.with_symbols([7]) == (table, True)


def full_table(symbols):
    """A table without room: one symbol of each length from 1 to 16 bits."""
    return Table(bytes([1] * 16), bytes(symbols))


def test_where_there_is_no_room_long_codes_give_way():
    table, same = full_table(range(16)).with_symbols(range(20))
    assert not same
    assert sorted(table.symbols) == list(range(20))
    assert sum(count << (16 - n) for n, count in enumerate(table.counts, 1)) < 65536
    assert table.codes[1][:12].tolist() == list(range(1, 13))


def test_a_scan_whose_codes_have_to_give_way_keeps_its_coefficients(tmp_path):
    pixels = np.full((24, 40, 1), 90, np.uint8)
    pixels[:, 16:24] = 170
    plain = encoded(pixels, quality=70)
    file = jpeg_file.parse(plain)
    blocks = coefficients(plain)[0].reshape(-1, 64)
    difference = np.diff(blocks[:, 0], prepend=0)
    slot = np.zeros(len(blocks), np.int64)
    symbols = jpeg_symbols.sequential(difference, blocks[:, 1:], slot == 0, slot)
    used = np.flatnonzero(jpeg_symbols.used([symbols], 1)[0, 1]).tolist()
    table = full_table([*used, *(n for n in range(1, 200) if n not in used)][:16])
    (scan,) = file.scans
    bits, _ = jpeg_symbols.book([(scan.table(0, 0), table)]).encode(symbols, slice(None))
    writer = Writer()
    writer.add([bits])
    writer.align()
    content = jpeg_edit.assemble(file.parts, [jpeg_edit.Coded(writer.content(), {(1, 0): table})], file.tail)
    assert np.array_equal(pillow(content), pillow(plain))

    mask = cracks(24, 40)
    wanted = drawing(24, 40, "L")
    result = check(content, mask, wanted, tmp_path)
    assert result.notes == (jpeg_edit.NEW_CODES,)
    assert np.array_equal(pillow(result.content), pillow(check(plain, mask, wanted, tmp_path).content))


def test_segments_stay_and_the_source_type_is_stated(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "a painting"
    options = {"icc_profile": bytes(200), "exif": exif, "comment": b"from the archive", "dpi": (300, 300)}
    content = encoded(drawing(40, 56, "RGB"), quality=90, **options)
    mask, wanted = cracks(40, 56), decoded(content)
    wanted[mask] = 10
    result = rewritten(content, wanted, mask, tmp_path, "http://example.org/type")
    assert result.stated
    assert b"http://example.org/type" in jpeg.xmp(result.content)
    kept = [
        part for part in jpeg.segments(result.content) if not part[1].startswith(b"http://ns.adobe.com/xap")
    ]
    assert kept == list(jpeg.segments(content))


@pytest.mark.parametrize("size", [(75, 93), (150, 187)])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_wholly_new_picture_is_as_good_as_by_another_encoder(kind, mode, size, tmp_path):
    content = encoded(drawing(75, 93, mode), **KINDS[kind])
    wanted = drawing(*size, mode, seed=5)
    result = jpeg.encode_whole(content, canvas(wanted, tmp_path), None)
    got, other = decoded(result.content), decoded(encoded(wanted, **KINDS[kind]))
    assert got.shape == wanted.shape
    assert psnr(got, wanted, peak=255) > psnr(other, wanted, peak=255) - 0.4
    nature = jpeg.header(content)
    assert jpeg.header(result.content) == nature
    scans = jpeg_file.parse(content).scans
    assert [s.restart for s in jpeg_file.parse(result.content).scans] == [s.restart for s in scans]


def test_the_resolution_grows_with_the_picture(tmp_path):
    exif = Image.Exif()
    exif[0x011A], exif[0x0128] = 300.0, 2
    content = encoded(drawing(40, 56, "RGB"), quality=90, dpi=(300, 150), exif=exif)
    result = jpeg.encode_whole(content, canvas(drawing(80, 112, "RGB"), tmp_path), None)
    image = Image.open(io.BytesIO(result.content))
    assert image.info["jfif_density"] == (600, 300)
    assert image.getexif()[0x011A] == 600


@pytest.mark.parametrize("kind", ["plain", "restarts", "progressive", "progressive, restarts"])
def test_a_damaged_file_is_refused_or_rewritten_whole(kind, tmp_path):
    pixels = drawing(40, 56, "RGB")
    content = encoded(pixels, **KINDS[kind])
    start = len(content) - sum(len(scan.entropy) for scan in jpeg_file.parse(content).scans[-1:])
    for cut in (20, 200, start + 10, len(content) - 30):
        with pytest.raises(ItemError):
            rewritten(content[:cut], pixels, cracks(40, 56), tmp_path)
    chance = np.random.default_rng(1)
    refused = 0
    for _ in range(40):
        broken = bytearray(content)
        for place in chance.integers(2, len(content), 3):
            broken[place] = chance.integers(256)
        if struct.pack(">HH", 40, 56) not in broken:
            continue
        try:
            jpeg.header(rewritten(bytes(broken), pixels, cracks(40, 56), tmp_path).content)
        except ItemError:
            refused += 1
    assert refused > 10


def test_a_kind_that_cannot_be_kept_is_refused(tmp_path):
    content = bytearray(encoded(drawing(16, 16, "L"), quality=90))
    content[content.index(b"\xff\xc0") + 1] = 0xC9  # arithmetic coding
    with pytest.raises(ItemError, match="not supported"):
        rewritten(bytes(content), drawing(16, 16, "L"), cracks(16, 16), tmp_path)


def test_scans_out_of_order_are_refused(tmp_path):
    pixels = drawing(40, 56, "L")
    file = jpeg_file.parse(encoded(pixels, **KINDS["progressive"]))
    parts = [*file.parts[:-4], file.parts[-1], *file.parts[-3:-1], file.parts[-4]]
    coded = [jpeg_edit.Coded(p.entropy, {}) for p in parts if isinstance(p, jpeg_file.Scan)]
    with pytest.raises(ItemError, match="a scan is missing"):
        rewritten(jpeg_edit.assemble(parts, coded, file.tail), pixels, cracks(40, 56), tmp_path)
