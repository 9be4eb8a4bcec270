from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.archive.images import probe, read_rgb
from pipeline.errors import ItemError
from tests.conftest import painting

PICTURE = Image.fromarray(painting(1))


def save(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "picture", "expected"),
    [
        ("a.png", PICTURE, ("png", "RGB", 8)),
        ("a.jpg", PICTURE, ("jpeg", "RGB", 8)),
        ("a.webp", PICTURE, ("webp", "RGB", 8)),
        ("grey.png", PICTURE.convert("L"), ("png", "L", 8)),
        ("alpha.png", PICTURE.convert("RGBA"), ("png", "RGBA", 8)),
        ("palette.png", PICTURE.convert("P"), ("png", "RGB", 8)),
        ("cmyk.jpg", PICTURE.convert("CMYK"), ("jpeg", "CMYK", 8)),
        ("cmyk.tif", PICTURE.convert("CMYK"), ("tiff", "CMYK", 8)),
        ("deep.tif", Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)), ("tiff", "L", 16)),
    ],
)
def test_every_kind_is_probed_by_content_and_read_as_rgb(
    tmp_path: Path, name: str, picture: Image.Image, expected: tuple[str, str, int]
) -> None:
    file = save(tmp_path / name, picture)
    info = probe(file)
    assert (info.format, info.mode, info.bit_depth) == expected
    assert (info.width, info.height) == picture.size
    pixels = read_rgb(file)
    assert pixels.shape == (picture.height, picture.width, 3)
    assert pixels.dtype == np.uint8


def test_lossless_pixels_are_exact(tmp_path: Path) -> None:
    assert np.array_equal(read_rgb(save(tmp_path / "a.png", PICTURE)), np.asarray(PICTURE))


def test_a_dark_16_bit_scan_stays_dark(tmp_path: Path) -> None:
    dark = np.full((20, 30), 200, np.uint16)  # 200 of 65535 is nearly black, whatever its largest value
    file = save(tmp_path / "dark.tif", Image.fromarray(dark))
    assert probe(file).bit_depth == 16
    assert read_rgb(file).max() <= 20


def test_the_extension_does_not_decide(tmp_path: Path) -> None:
    file = tmp_path / "really-a-png.jpg"
    PICTURE.save(file, format="PNG")
    assert probe(file).format == "png"
    assert np.array_equal(read_rgb(file), np.asarray(PICTURE))


def test_orientation_is_applied_when_read(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by a quarter
    file = save(tmp_path / "turned.jpg", PICTURE, exif=exif)
    assert probe(file).orientation == 6
    assert read_rgb(file).shape == (PICTURE.width, PICTURE.height, 3)
    assert max(read_rgb(file, max_side=32).shape) == 32


def test_names_that_libvips_would_misread(tmp_path: Path) -> None:
    file = save(tmp_path / "odd [n=2] ünï.png", PICTURE)
    assert np.array_equal(read_rgb(file), np.asarray(PICTURE))


UNREADABLE = "is not a readable image"


def cut_off(folder: Path, suffix: str, share: float) -> Path:
    """A picture's file of which only this share (below 1) or these bytes are left."""
    whole = save(folder / f"whole{suffix}", PICTURE).read_bytes()
    file = folder / f"broken{suffix}"
    file.write_bytes(whole[: int(share if share >= 1 else share * len(whole))])
    return file


@pytest.mark.parametrize("look", [probe, read_rgb])
@pytest.mark.parametrize(("size", "reason"), [(0, "is empty"), (1, UNREADABLE), (40, UNREADABLE)])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_a_file_without_a_whole_header_is_refused(
    tmp_path: Path, suffix: str, size: int, reason: str, look: Callable[[Path], object]
) -> None:
    with pytest.raises(ItemError, match=reason):
        look(cut_off(tmp_path, suffix, size))


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_file_that_is_cut_off_is_refused_once_its_pixels_are_read(
    tmp_path: Path, suffix: str, share: float
) -> None:
    file = cut_off(tmp_path, suffix, share)
    assert (probe(file).width, probe(file).height) == PICTURE.size
    with pytest.raises(ItemError, match="cut off"):
        read_rgb(file)


@pytest.mark.parametrize("look", [probe, read_rgb])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_webp_file_that_is_cut_off_is_refused_at_once(
    tmp_path: Path, share: float, look: Callable[[Path], object]
) -> None:
    with pytest.raises(ItemError, match=UNREADABLE):  # its header states the file's size
        look(cut_off(tmp_path, ".webp", share))


@pytest.mark.parametrize("name", ["table.csv", "drawing.svg"])
def test_what_libvips_reads_beyond_scans_is_no_image(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(
        {"table.csv": "1,2\n3,4\n", "drawing.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>"}[name]
    )
    with pytest.raises(ItemError, match="not a readable image"):
        probe(file)


def test_text_is_no_image(tmp_path: Path) -> None:
    file = tmp_path / "notes.png"
    file.write_text("not a picture")
    with pytest.raises(ItemError, match="not a readable image"):
        probe(file)


@pytest.mark.parametrize("name", [b"odd \xff.png", b"line\nbreak.png"])
def test_names_that_are_no_text(tmp_path: Path, name: bytes) -> None:
    save(tmp_path / "a.png", PICTURE)
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    (tmp_path / "a.png").rename(file)
    assert probe(file).format == "png"
    assert np.array_equal(read_rgb(file), np.asarray(PICTURE))
    assert max(read_rgb(file, max_side=32).shape) == 32


def test_a_large_jpeg_that_is_shrunk_while_it_is_decoded_looks_the_same(tmp_path: Path) -> None:
    large = Image.fromarray(painting(3, 120, 160)).resize((1600, 1200), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[274] = 6  # lies on its side
    large.save(tmp_path / "large.jpg", quality=95, exif=exif)
    upright = large.transpose(Image.Transpose.ROTATE_270).resize((240, 320), Image.Resampling.LANCZOS)
    found = read_rgb(tmp_path / "large.jpg", 320)
    assert found.shape == (320, 240, 3)
    error = found.astype(float) - np.asarray(upright, float)
    assert 10 * np.log10(255**2 / (error**2).mean()) > 35


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_large_jpeg_that_is_cut_off_is_found_out(tmp_path: Path, share: float) -> None:
    Image.fromarray(painting(4, 1200, 1600)).save(tmp_path / "large.jpg")
    content = (tmp_path / "large.jpg").read_bytes()
    (tmp_path / "large.jpg").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ItemError, match="damaged or cut off"):
        read_rgb(tmp_path / "large.jpg", 320)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_large_jpegs_of_other_colours_come_out_as_rgb(tmp_path: Path, mode: str) -> None:
    Image.fromarray(painting(5, 900, 1200)).convert(mode).save(tmp_path / "large.jpg", quality=95)
    Image.fromarray(painting(5, 900, 1200)).convert(mode).save(tmp_path / "large.tif")
    found, true = read_rgb(tmp_path / "large.jpg", 200), read_rgb(tmp_path / "large.tif", 200)
    assert found.shape == (150, 200, 3)
    assert np.abs(found.astype(float) - true).mean() < 6
