import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.archive.fixity import file_sha256
from pipeline.errors import ItemError, PentimentoError
from pipeline.restoration.methods.fill import fillers
from pipeline.restoration.methods.interface import FillFailed
from pipeline.restoration.methods.kit import load_kit
from pipeline.restoration.methods.measured import BestFillers, best_fillers
from pipeline.restoration.work import engine
from pipeline.restoration.work.engine import restore_work
from pipeline.restoration.work.masks import write_mask
from pipeline.restoration.work.statements import EDITED_BY_ALGORITHM
from pipeline.restoration.work.work import Tree, Work
from tests.conftest import kit, restore_settings

SETTINGS = restore_settings()


class Constant:
    """Fills with one value and remembers what it was shown."""

    name, reach = "constant", 5

    def __init__(self):
        self.areas = []

    def __call__(self, pixels, mask, wanted=None):
        self.areas.append(mask.size)
        result = pixels.copy()
        result[mask] = 0.5
        return result


class Failing:
    name, reach = "failing", 5

    def __call__(self, pixels, mask, wanted=None):
        raise FillFailed("not today")


@pytest.fixture
def made(tmp_path):
    def make(holes, shape=(120, 160, 3), name="a/b.png", mask_shape=None, **save):
        rng = np.random.default_rng(0)
        pixels = rng.integers(30, 220, shape, dtype=np.uint8)
        source, mask = tmp_path / "src" / name, tmp_path / "masks" / f"{name}.png"
        for path in (source, mask):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(source, **save)
        hole = np.zeros(mask_shape or shape[:2], np.uint8)
        for window in holes:
            hole[window] = 255
        Image.fromarray(hole).save(mask)
        return Work(source, name, mask), Tree.at(tmp_path / "out"), hole > 0

    return make


def read(path):
    return np.asarray(Image.open(path))


THIN, WIDE = np.s_[20:23, 10:100], np.s_[60:90, 50:80]


def test_only_the_mask_is_filled_each_shape_by_its_method(made):
    work, tree, hole = made([THIN, WIDE])
    before = file_sha256(work.source)
    done = restore_work(work, tree, kit(thin=Constant()))
    source, result = read(work.source), read(tree.works / "a/b.png")
    assert np.array_equal(result[~hole], source[~hole])
    assert (result[THIN] == 128).all()
    assert not (result[WIDE] == 128).all()
    proof = json.loads((tree.proof / "a/b.png.json").read_text())
    assert proof["methods"]["thin"] == {"pixels_by_method": {"constant": 270}}
    assert proof["methods"]["wide"] == {"pixels_by_method": {"navier_stokes": 900}}
    assert proof["format_version"] == 1
    page = (Path(__file__).parents[4] / "docs" / "formats.md").read_text()
    assert [field for field in proof if f"`{field}`" not in page] == [], "docs/formats.md names every field"
    assert proof["mask"]["pixels"] == hole.sum()
    assert proof["outside_mask"] == {"largest_difference": 0, "changed_pixels": 0}
    assert proof["source"]["sha256"] == before == file_sha256(work.source)
    assert proof["output"]["sha256"] == file_sha256(tree.works / done["output"])
    assert proof["statement"].startswith("Digital reconstruction")
    assert proof["digital_source_type"] == EDITED_BY_ALGORITHM
    assert not list(tree.partial.iterdir())


def test_a_work_that_needs_nothing_is_a_byte_copy(made):
    for name, options in (("x.jpg", {"jpeg_output": "tiff"}), ("y.png", {})):
        work, tree, _ = made([], name=name)
        done = restore_work(work, tree, kit(**options))
        assert done["damage"] == 0
        assert (tree.works / name).read_bytes() == work.source.read_bytes()


def test_equal_inputs_give_equal_bytes(made, tmp_path):
    work, tree, _ = made([THIN, WIDE], name="a.jpg")
    other = Tree.at(tmp_path / "elsewhere")
    first, second = restore_work(work, tree, kit()), restore_work(work, other, kit())
    assert first["output_sha256"] == second["output_sha256"]
    assert first["proof_sha256"] == second["proof_sha256"]


def test_a_method_that_fails_gives_way_to_the_classical_one_and_the_sidecar_says_so(made):
    work, tree, _ = made([THIN])
    restore_work(work, tree, kit(thin=Failing()))
    proof = json.loads((tree.proof / "a/b.png.json").read_text())
    assert proof["methods"]["thin"]["pixels_by_method"] == {"telea": 270}
    assert proof["fallbacks"] == ["failing -> telea: not today"]


def test_cmyk_and_16_bit_are_filled_in_their_own_space(tmp_path):
    import tifffile

    pixels = np.full((64, 64, 4), 1000, np.uint16)
    pixels[..., 3] = 65000
    tifffile.imwrite(tmp_path / "c.tif", pixels, photometric="separated", metadata=None)
    hole = np.zeros((64, 64), np.uint8)
    hole[30:33, 10:40] = 255
    Image.fromarray(hole).save(tmp_path / "m.png")
    tree = Tree.at(tmp_path / "out")
    restore_work(Work(tmp_path / "c.tif", "c.tif", tmp_path / "m.png"), tree, kit())
    result = tifffile.imread(tree.works / "c.tif")
    assert result.dtype == np.uint16
    assert np.abs(result.astype(int) - pixels).max() <= 1


@pytest.mark.parametrize(
    ("holes", "options", "reason"),
    [
        ([THIN], {"mask_shape": (50, 110)}, "110 x 50 pixels, the picture has 160 x 120"),
        ([np.s_[:, :]], {}, "100.0% damage"),
    ],
)
def test_a_bad_mask_is_refused_and_nothing_is_written(made, holes, options, reason):
    work, tree, _ = made(holes, **options)
    with pytest.raises(ItemError, match=reason):
        restore_work(work, tree, kit())
    assert not tree.works.exists()
    assert not tree.proof.exists()


def test_a_source_that_changes_meanwhile_is_refused(made):
    class Meddling(Constant):
        def __call__(self, pixels, mask, wanted=None):
            work.source.write_bytes(b"other")
            return super().__call__(pixels, mask, wanted)

    work, tree, _ = made([THIN])
    with pytest.raises(engine.SourceChanged):
        restore_work(work, tree, kit(thin=Meddling()))
    assert not tree.works.exists()


def test_methods_are_read_as_measured_and_errors_name_the_file(tmp_path):
    path = tmp_path / "methods.json"
    path.write_text('{"by_shape": {"thin": {"best": "telea"}, "wide": {"best": "biharmonic"}}}')
    assert best_fillers(path) == BestFillers({"thin": "telea", "wide": "biharmonic"}, {})
    assert load_kit(SETTINGS, path).chain[0].names["wide"] == "biharmonic"
    path.write_text('{"by_shape": {"thin": {"best": "magic"}, "wide": {"best": "telea"}}}')
    with pytest.raises(PentimentoError, match="unknown method 'magic'"):
        best_fillers(path)
    path.write_text('{"by_shape": {}}')
    with pytest.raises(PentimentoError, match="does not name a method"):
        best_fillers(path)
    with pytest.raises(PentimentoError, match="missing"):
        best_fillers(tmp_path / "none.json")
    with pytest.raises(PentimentoError, match="cannot be read: Is a directory"):
        best_fillers(tmp_path)


def test_a_mask_that_states_its_kind_is_filled_by_that_kinds_method(made):
    work, tree, hole = made([THIN, WIDE])
    write_mask(work.mask, hole, "stains")
    restore_work(work, tree, kit(by_kind={"stains": Constant()}))
    account = json.loads((tree.proof / "a/b.png.json").read_text())
    assert account["mask"]["kind"] == "stains"
    for shape in ("thin", "wide"):
        assert set(account["methods"][shape]["pixels_by_method"]) == {"constant"}
    write_mask(work.mask, hole, "a kind that nobody measured")
    restore_work(work, tree, kit(by_kind={"stains": Constant()}))
    account = json.loads((tree.proof / "a/b.png.json").read_text())
    assert set(account["methods"]["thin"]["pixels_by_method"]) == {"telea"}


def test_the_fingerprint_follows_what_a_result_depends_on():
    plain = kit().fingerprint
    assert kit(max_failure_ratio=0.1, shard_megapixels=9).fingerprint == plain
    assert kit(jpeg_output="tiff").fingerprint != plain
    assert kit(thin=fillers()["biharmonic"]).fingerprint != plain
    assert kit(by_kind={"stains": fillers()["biharmonic"]}).fingerprint != plain


def test_another_machine_with_another_engine_can_go_on():
    def on(engine, package, weights="a"):
        models = {"learnt": {"weights_sha256": weights, "engine": engine}}
        return dataclasses.replace(
            kit(), models=models, software={"pentimento": "0", package: "1"}
        ).fingerprint

    assert on("onnx fp32", "onnxruntime") == on("openvino bf16", "openvino")
    assert on("onnx fp32", "onnxruntime", "b") != on("onnx fp32", "onnxruntime")


def test_pages_are_restored_one_by_one_and_the_others_are_kept(tmp_path):
    import tifffile

    rng = np.random.default_rng(0)
    pages = [rng.integers(0, 255, shape, np.uint8) for shape in ((60, 80, 3), (40, 50), (60, 80, 3))]
    holes = [np.zeros(page.shape[:2], np.uint8) for page in pages]
    holes[2][20:40, 30:60] = 255
    for name, pictures in (("a.tif", pages), ("m.tif", holes)):
        with tifffile.TiffWriter(tmp_path / name) as tiff:
            for picture in pictures:
                tiff.write(picture, metadata=None)
    tree = Tree.at(tmp_path / "out")
    done = restore_work(Work(tmp_path / "a.tif", "a.tif", tmp_path / "m.tif"), tree, kit())
    with tifffile.TiffFile(tree.works / "a.tif") as tiff:
        result = [page.asarray() for page in tiff.pages]
    assert len(result) == 3
    for before, after, hole in zip(pages, result, holes, strict=True):
        assert np.array_equal(before[hole == 0], after[hole == 0])
    assert not np.array_equal(pages[2][holes[2] > 0], result[2][holes[2] > 0])
    proof = json.loads((tree.proof / done["proof"]).read_text())
    assert [page["kept_as_it_is"] for page in proof["pages"]] == [True, True, False]
    assert proof["mask"]["pixels"] == 600


def test_a_mask_with_too_many_pages_is_refused(made, tmp_path):
    import tifffile

    work, tree, hole = made([THIN])
    with tifffile.TiffWriter(tmp_path / "m.tif") as tiff:
        for _ in range(2):
            tiff.write(hole.astype(np.uint8) * 255, metadata=None)
    with pytest.raises(ItemError, match="its mask has 2 pages, the picture has 1"):
        restore_work(Work(work.source, work.path, tmp_path / "m.tif"), tree, kit())


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_larger_picture_is_written_and_said_to_be_new_throughout(made, name):

    work, tree, _ = made([THIN], name=name)
    larger = kit(mode="upscale", scale=2)
    done = restore_work(work, tree, larger)
    assert read(tree.works / done["output"]).shape == (240, 320, 3)
    proof = json.loads((tree.proof / done["proof"]).read_text())
    assert proof["whole_picture"] == ["lanczos"] and proof["statement"].startswith("Digital recon")
    assert "every pixel was computed" in proof["statement"] and not done["copied"]


def test_steps_of_a_chain_work_on_what_the_one_before_made(made):
    """Enhanced, then enlarged in one run, as in two runs one after the other."""
    work, tree, _ = made([THIN])
    pixels = read(work.source).astype(float)
    noisy = pixels + np.random.default_rng(0).normal(0, 12, pixels.shape)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(work.source)
    chain = kit(steps=("fill", "enhance", "upscale"))
    done = restore_work(work, tree, chain)
    proof = json.loads((tree.proof / done["proof"]).read_text())
    assert proof["pages"][0]["changed_by"] == ["levels and non-local means", "lanczos"]
    assert proof["pages"][0]["judged"]["noise"] > 5
    enhanced = Tree.at(tree.works.parents[1] / "enhanced")
    restore_work(work, enhanced, kit(steps=("fill", "enhance")))
    enlarged = Tree.at(tree.works.parents[1] / "enlarged")
    restore_work(Work(enhanced.works / work.path, work.path), enlarged, kit(steps=("upscale",)))
    assert np.array_equal(read(tree.works / work.path), read(enlarged.works / work.path))


def test_a_chain_that_fills_nothing_leaves_masks_alone(made):
    work, tree, _ = made([THIN])
    restore_work(work, tree, kit(steps=("upscale",)))
    proof = json.loads((tree.proof / f"{work.path}.json").read_text())
    assert proof["mask"]["pixels"] == 0 and proof["methods"] == {}


def test_a_picture_that_enhancing_does_not_change_is_a_byte_copy(made):
    class Same(Constant):
        name, scale, multiple, judged = "same", 1, 1, {}

        def tuned(self, preview):
            return self

        def __call__(self, pixels):
            return pixels

    enhance = kit(mode="enhance", links={"enhance": (Same(), Same())})
    for holes in ([], [THIN]):
        work, tree, hole = made(holes)
        done = restore_work(work, tree, enhance)
        assert done["copied"] == (not holes)
        assert np.array_equal(read(tree.works / "a/b.png")[~hole], read(work.source)[~hole])


@pytest.mark.parametrize(("rows", "height"), [(1, 37), (16, 33), (3, 37), (64, 1)])
def test_a_tiff_whose_last_strip_is_one_row_is_written_whole(rows, height, tmp_path):
    import tifffile

    pixels = np.random.default_rng(0).integers(0, 255, (height, 50, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, rowsperstrip=rows, metadata=None, photometric="rgb")
    hole = np.zeros((height, 50), np.uint8)
    hole[0, 5:9] = 255
    Image.fromarray(hole).save(tmp_path / "m.png")
    tree = Tree.at(tmp_path / "out")
    restore_work(Work(tmp_path / "a.tif", "a.tif", tmp_path / "m.png"), tree, kit())
    assert np.array_equal(tifffile.imread(tree.works / "a.tif")[hole == 0], pixels[hole == 0])


def test_a_mask_that_marks_nothing_but_is_not_black_is_refused(made):
    work, tree, hole = made([THIN])
    Image.fromarray(hole.astype(np.uint8)).save(work.mask)  # 0 and 1 instead of 0 and 255
    with pytest.raises(ItemError, match="its mask marks nothing: damage is white"):
        restore_work(work, tree, kit())
