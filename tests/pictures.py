"""Image files of many kinds, made by other libraries than the one under test, and read by them."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from pipeline.archive.canvas import Canvas
from pipeline.archive.imagefile import ImageFile, decode, open_image
from pipeline.archive.imagewrite import NewPage, Written, write

TERM = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="a"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
IPTC = b"\x1c\x02\x05\x00\x04Mill\x1c\x02\x50\x00\x07Painter"  # title, by-line (IIM 4.2)
HEIGHT, WIDTH = 61, 83


def picture(channels, deep=False, height=HEIGHT, width=WIDTH):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    layers = [40 + rows * (k + 1) % 90 + columns % 120 for k in range(channels)]
    values = np.stack(layers, -1) + rng.integers(0, 4, (height, width, channels))
    return (values * 257).astype(np.uint16) if deep else values.astype(np.uint8)


def exif():
    block = Image.Exif()
    block[274] = 6  # orientation
    block[315] = "A. Painter"
    inner = block.get_ifd(0x8769)
    inner[36867] = "2001:02:03 04:05:06"
    inner[40962], inner[40963] = WIDTH, HEIGHT
    block.get_ifd(0x8825)[1] = "N"
    block.get_ifd(0x8825)[2] = (52.0, 22.0, 15.0)
    return block


def saved(mode, layout, **options):
    """A file by Pillow."""
    target = io.BytesIO()
    pixels = picture({"L": 1, "LA": 2, "RGBA": 4, "CMYK": 4}.get(mode, 3))
    if mode in ("P", "1"):
        image = Image.fromarray(pixels).convert(mode)
    else:
        image = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    image.save(target, layout, **options)
    return target.getvalue()


def tagged_tiff(mode, deep=False, order="<", big=False, **options):
    """A TIFF by tifffile, with ICC, XMP, IPTC, Photoshop's resources, resolution and private tags."""
    channels, kind = {
        "L": (1, "minisblack"), "L inverted": (1, "miniswhite"), "LA": (2, "minisblack"), "RGB": (3, "rgb"),
        "RGBA": (4, "rgb"), "CMYK": (4, "separated"), "CMYKA": (5, "separated"),
    }[mode]  # fmt: skip
    pixels = picture(channels, deep)
    if channels == 1:
        pixels = pixels[..., 0]
    elif options.get("planarconfig") == "separate":
        pixels = np.moveaxis(pixels, 2, 0)
    else:
        options["planarconfig"] = "contig"
    if mode.endswith("A"):
        options["extrasamples"] = ["unassalpha"]
    extra = [
        (65000, "d", 3, (1.5, 2.5, 3.5), True), (65001, "H", 2, (258, 772), True), (274, "H", 1, 6, True),
        (700, "B", len(XMP), XMP, True), (33723, "B", len(IPTC), IPTC, True),
        (34377, "B", 12, b"8BIM\x04\x04\0\0\0\0\0\0", True),
    ]  # fmt: skip
    target = io.BytesIO()
    tifffile.imwrite(
        target, pixels, byteorder=order, bigtiff=big, photometric=kind, resolution=(300, 300), iccprofile=ICC,
        software="scanner", description="a mill", metadata=None, extratags=extra, **options,
    )  # fmt: skip
    return target.getvalue()


def full_png(mode):
    """A PNG with everything a PNG can say."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "Mill")
    texts.add_text("Raw profile type iptc", "\niptc\n      4\n1c020500\n", zip=True)
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return saved(mode, "PNG", icc_profile=ICC, exif=exif(), dpi=(300, 300), pnginfo=texts)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_iptc(jpeg):
    """A JPEG with Photoshop's segment that holds IPTC, behind its first segment."""
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC + b"\0" * (len(IPTC) % 2)
    data = b"Photoshop 3.0\0" + resource
    place = 4 + struct.unpack_from(">H", jpeg, 4)[0]
    return jpeg[:place] + b"\xff\xed" + struct.pack(">H", len(data) + 2) + data + jpeg[place:]


def independent(content):
    """The pixels of a file, (H, W, C), without libvips."""
    if content[:2] in (b"II", b"MM"):
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            return tiff_page(file.pages[0])
    if content[:4] == b"\x89PNG" and content[24] == 16:
        pixels = imagecodecs.png_decode(content)
    else:
        image = Image.open(io.BytesIO(content))
        if "transparency" in image.info:
            image = image.convert("RGBA")
        elif image.mode in ("P", "1"):
            image = image.convert({"P": "RGB", "1": "L"}[image.mode])
        pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def tiff_page(page):
    """The pixels of a page of tifffile, (H, W, C)."""
    if page.photometric == 3:
        return (page.colormap[:, page.asarray()] >> 8).astype(np.uint8).transpose(1, 2, 0)
    pixels = page.asarray()
    if pixels.ndim == 2:
        return pixels[..., None]
    return np.moveaxis(pixels, 0, 2) if page.planarconfig == 2 else pixels


class Rewritten:
    """A file written again with a mask painted in one value."""

    def __init__(self, content, folder: Path, kind="small", in_memory=1 << 30, **options):
        self.content = content
        path = folder / "source [a=b]\n\udcff"  # no name that libvips would open
        path.write_bytes(content)
        self.file: ImageFile = open_image(path, 10)
        page = self.file.pages[0]
        self.mask = mask_of(kind, page.shape[:2])
        self.target = folder / "target"
        with (
            Canvas(page.shape, page.dtype, page.colours, folder, in_memory) as canvas,
            Canvas((*page.shape[:2], 1), np.uint8, 1, folder, in_memory) as mask,
        ):
            decode(self.file, 0, canvas)
            self.source = whole(canvas)
            self.value = canvas.peak // 3
            self.wanted = self.source.copy()
            self.wanted[..., : page.colours][self.mask] = self.value
            put(canvas, self.wanted)
            put(mask, self.mask[..., None] * np.uint8(255))
            self.written: Written = write(
                self.file, [NewPage(canvas, mask)], self.target, options.get("source_type"),
                options.get("jpeg_output", "jpeg"), folder,
            )  # fmt: skip
        self.new = self.target.read_bytes()
        assert path.read_bytes() == content  # the source is never touched
        assert {p.name for p in folder.iterdir()} == {path.name, "target"}  # no scratch file is left


def mask_of(kind, shape):
    mask = np.zeros(shape, np.bool_)
    if kind == "small":
        mask[10:20, 12:30] = True
    elif kind == "full":
        mask[:] = True
    return mask


def whole(canvas):
    return canvas.read((slice(0, canvas.shape[0]), slice(0, canvas.shape[1])))


def put(canvas, values):
    canvas.write((slice(0, canvas.shape[0]), slice(0, canvas.shape[1])), values)
