"""How coarse a JPEG's table is, and what level of noise its loss is taken for."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from pipeline.archive.formats.slices import Slices
from pipeline.paths import PRETRAINED
from pipeline.restoration.methods.classical import LevelsAndDenoise
from pipeline.restoration.methods.learnt_enhancer import LEAST_STEP, LearntEnhancer, lost
from pipeline.restoration.work.engine import restore_work
from pipeline.restoration.work.quantisation import luma_step
from pipeline.restoration.work.work import Tree, Work
from tests.conftest import ROOT, kit, painting


def saved(kind="JPEG", **how):
    file = io.BytesIO()
    Image.fromarray(painting(0)).save(file, kind, **how)
    return file.getvalue()


@pytest.mark.parametrize("quality", [20, 50, 90, 100])
def test_the_step_is_the_mean_of_the_table_of_luma(quality):
    content = saved(quality=quality)
    table = Image.open(io.BytesIO(content)).quantization[0]
    assert luma_step(content) == pytest.approx(np.mean(table))


def test_a_grey_jpeg_has_one_table():
    file = io.BytesIO()
    Image.fromarray(painting(0)[..., 0]).save(file, "JPEG", quality=50)
    assert luma_step(file.getvalue()) == luma_step(saved(quality=50))


def test_tables_behind_a_long_head_are_found_and_scans_are_counted(tmp_path):
    comments = (b"\xff\xfe\xff\xff" + bytes(65533)) * 6
    jpeg = saved(quality=50)
    long = jpeg[:2] + comments + jpeg[2:]
    (tmp_path / "a.jpg").write_bytes(long)
    with Slices(tmp_path / "a.jpg") as content:
        assert luma_step(content) == luma_step(jpeg)
    scan = jpeg.index(b"\xff\xda")
    first = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"  # of luma alone, the others in a second
    second = b"\xff\xda\x00\x0a\x02\x02\x11\x03\x11\x00\x3f\x00"
    assert luma_step(jpeg[:scan] + first + bytes(50) + second + bytes(50) + b"\xff\xd9") is None
    assert luma_step(jpeg[:scan] + first + bytes(50) + b"\xff\xd9") is None


def test_other_files_several_scans_and_broken_ones_tell_nothing():
    jpeg = saved(quality=50)
    start = jpeg.index(b"\xff\xdb")
    tables = bytearray(jpeg)
    while (place := tables.find(b"\xff\xdb")) >= 0:
        del tables[place : place + 2 + int.from_bytes(tables[place + 2 : place + 4], "big")]
    for content in (b"", saved("PNG"), saved(quality=50, progressive=True), jpeg[:start], bytes(tables)):
        assert luma_step(content) is None
    assert lost(None) == 0


def test_coarse_tables_alone_count_and_none_for_more_than_ten_levels():
    assert lost(LEAST_STEP - 0.1) == 0 and lost(1.0) == 0
    assert lost(LEAST_STEP) == pytest.approx(1.5 / 255)
    assert lost(30.0) == pytest.approx(5 / 255)
    assert lost(60.0) == lost(255.0) == pytest.approx(10 / 255)
    assert lost(luma_step(saved(quality=95))) == 0 < lost(luma_step(saved(quality=90)))


def read(path):
    return np.asarray(Image.open(path))


@pytest.fixture(scope="module")
def enhancer():
    return LearntEnhancer(ROOT / PRETRAINED / "enhancer", "torch")


@pytest.mark.parametrize("kind", ["rgb", "grey"])
def test_the_blocks_of_a_jpeg_are_smoothed_where_no_jpeg_is_written(enhancer, kind, tmp_path):
    y, x = np.mgrid[:144, :176]
    shade = 120 + 60 * np.sin(x / 17) + 50 * np.cos((x + 2 * y) / 31) * (np.hypot(x - 80, y - 70) < 50)
    tints = (1, 0.85, 0.6) if kind == "rgb" else (1,)
    clean = np.squeeze(np.stack([shade * tint for tint in tints], axis=2).clip(0, 255).astype(np.uint8))
    Image.fromarray(clean).save(tmp_path / "a.jpg", quality=50)
    before = read(tmp_path / "a.jpg")
    Image.fromarray(before).save(tmp_path / "a.png")

    def enhanced(name, output):
        links = {"enhance": (enhancer, LevelsAndDenoise())}
        tools = kit(mode="enhance", jpeg_output=output, links=links)
        tree = Tree.at(tmp_path / output)
        done = restore_work(Work(tmp_path / name, name), tree, tools)
        proof = json.loads((tree.proof / done["proof"]).read_text())
        return done, proof["pages"][0]["judged"], read(tree.works / done["output"])

    done, judged, after = enhanced("a.jpg", "tiff")
    assert judged["jpeg"] == judged["level"] > 5 > judged["noise"] and not done["copied"]
    error, was = (np.square(pixels - clean.astype(float)).mean() for pixels in (after, before))
    assert error < 0.8 * was
    for name, output in (("a.png", "tiff"), ("a.jpg", "jpeg")):
        done, judged, after = enhanced(name, output)
        assert done["copied"] and judged["jpeg"] == judged["level"] == 0
        assert np.array_equal(after, before)
