"""An archive as archives are: changed, odd, incomplete, and with files that are no good."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from flows.archive import preview, restore_archive
from pipeline.archive.fixity import tree_sha256
from pipeline.errors import PentimentoError
from pipeline.restoration.runs import names, output
from tests.resume.hostile import Archive, add_odd, reasons

BOTH = ("work-01.jpg", "work-04.png")  # the first two of "room 1"


def test_only_what_is_new_changed_or_gone_from_the_output_is_done_again(archive, request_for, counted):
    source, masks = archive(8)
    request = request_for(source, masks)
    assert restore_archive(request).restored + restore_archive(request).known == 6 + 8
    assert len(counted) == 8
    whole = tree_sha256(request.out / "data")

    counted.clear()
    (request.out / "data/works/room 1/work-01.jpg").unlink()
    altered = request.out / "data/works/room 2/work-02.tif"
    altered.write_bytes(altered.read_bytes() + b"x")
    (request.out / "data/proof/room 0/work-03.webp.json").write_text("{}")
    os.utime(source / "room 1/work-04.png", ns=(1, 1))  # touched, not changed
    summary = restore_archive(request)
    assert sorted(counted) == ["room 0/work-03.webp", "room 1/work-01.jpg", "room 2/work-02.tif"]
    assert (summary.known, summary.restored) == (5, 3)
    assert tree_sha256(request.out / "data") == whole

    counted.clear()
    Image.new("RGB", (30, 20), "red").save(source / "room 1/new.png")
    mask = masks / "room 0/work-06.tif.png"
    Image.new("L", (64, 48), 0).save(mask)
    assert restore_archive(request).known == 7
    assert sorted(counted) == ["room 0/work-06.tif", "room 1/new.png"]
    counted.clear()
    assert restore_archive(request_for(source, masks, jpeg_output="tiff")).known == 0
    assert len(counted) == 9
    assert (request.out / "data/works/room 1/work-01.jpg.tif").exists()
    assert not (request.out / "data/works/room 1/work-01.jpg").exists()


def test_bad_files_are_quarantined_and_the_others_restored(archive, request_for):
    source, masks = archive(4)
    good = (source / "room 0/work-00.png").read_bytes()
    (source / "truncated.png").write_bytes(good[: len(good) // 2])
    (source / "empty.tif").write_bytes(b"")
    (source / "named.jpg").write_bytes(good)  # a PNG
    (source / "text.png").write_text("no picture")
    (source / "huge.png").write_bytes(good[:16] + (100_000).to_bytes(4, "big") * 2 + good[24:])
    (source / "notes.txt").write_text("not a work")
    (source / "dangling.png").symlink_to(source / "nowhere.png")
    (source / "circle").symlink_to(source)
    pixels = np.arange(48 * 64 * 4, dtype=np.uint8).reshape(48, 64, 4)
    Image.frombytes("CMYK", (64, 48), pixels.tobytes()).save(source / "cmyk.tif")
    Image.fromarray(pixels[..., :3]).convert("P").save(source / "palette.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(source / "deep.png")
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save(source / "moving.gif", save_all=True, append_images=frames[1:])
    frames[0].save(source / "pages.tif", save_all=True, append_images=frames[1:])
    Image.new("L", (5, 5)).save(masks / "cmyk.tif.png")
    before = tree_sha256(source, ignore=("circle", "dangling.png"))
    request = request_for(source, masks)
    summary = restore_archive(request)
    found = reasons(request.out)
    expected = {
        "truncated.png": "truncated",
        "empty.tif": "empty",
        "text.png": "no image",
        "huge.png": "",
        "dangling.png": "link to nothing",
        "moving.gif": "GIF",
        "cmyk.tif": "5 x 5 pixels, the picture has 64 x 48",
    }
    assert found.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in found[name], name
    assert summary.failed == len(expected)
    assert (summary.ignored_files, summary.skipped_links) == (1, 1)
    assert summary.restored + summary.copied == 4 + 4
    assert json.loads((request.out / "data/proof/named.jpg.json").read_text())["source"]["format"] == "png"
    assert tree_sha256(source, ignore=("circle", "dangling.png")) == before
    again = restore_archive(request)
    assert (again.failed, again.known) == (summary.failed, 8)
    assert reasons(request.out) == found


def test_odd_names_and_shapes_are_good_works_and_can_be_brought_back(request_for, tmp_path):
    archive = Archive(tmp_path / "src", tmp_path / "masks")
    add_odd(archive)
    request = request_for(archive.source, archive.masks)
    summary = restore_archive(request, workers=2)
    assert (summary.restored, summary.copied, summary.failed) == (1, len(archive.good) - 1, 0)
    assert summary.skipped_links == 1
    proofs = [path for path in (request.out / "data/proof").rglob("*") if path.is_file()]
    recorded = {names.decode(json.loads(p.read_text())["source"]["path"]) for p in proofs}
    assert recorded == archive.good
    works = [path for path in (request.out / "data/works").rglob("*") if path.is_file()]
    assert len(works) == len(archive.good)
    assert restore_archive(request).known == len(archive.good)


def test_names_that_differ_in_case_only_are_not_one_where_the_disk_says_so(
    request_for, tmp_path, monkeypatch
):
    source = tmp_path / "src"
    source.mkdir()
    for name in ("A.png", "a.png", "b.png"):
        Image.new("RGB", (20, 20), "white").save(source / name)
    request = request_for(source)
    monkeypatch.setattr(output, "tells_case_apart", lambda out: False)
    assert restore_archive(request).copied == 2
    assert "in case only" in reasons(request.out)["a.png"]


def test_a_name_that_tiff_output_would_take_is_refused(archive, request_for):
    source, masks = archive(2)
    (source / "room 1/work-01.jpg.tif").write_bytes((source / "room 1/work-01.jpg").read_bytes())
    request = request_for(source, masks, jpeg_output="tiff")
    restore_archive(request)
    assert "name of another work" in reasons(request.out)["room 1/work-01.jpg"]


def test_a_preview_counts_and_writes_nothing(archive, request_for):
    source, masks = archive(8)
    request = replace(request_for(source, masks), include=("*.png", "*.jpg"), exclude=("room 0/*",), limit=2)
    seen = preview(request)
    assert (seen["works"], seen["to_do"]) == (2, 2)
    assert seen["megapixels"] == pytest.approx(2 * 48 * 64 / 1e6, abs=0.01)
    assert seen["bytes"] == sum((source / "room 1" / name).stat().st_size for name in BOTH)
    assert seen["rough_seconds"] > 0 and "typical machine" in seen["based_on"]
    assert not request.out.exists()
    assert restore_archive(request).works == 2
    assert preview(request)["to_do"] == 0
    more = preview(replace(request, limit=None))
    assert more["to_do"] > 0 and "the last 2 works of this output" in more["based_on"]


def test_workers_and_shards_change_no_byte(archive, request_for, tmp_path):
    source, masks = archive(12)
    request = request_for(source, masks)
    other = replace(request_for(source, masks, shard_megapixels=64), out=tmp_path / "other")
    assert restore_archive(request, workers=2).restored == restore_archive(other).restored
    assert tree_sha256(request.out / "data") == tree_sha256(other.out / "data")


def test_masks_of_which_none_belongs_to_a_work_are_refused(archive, request_for, tmp_path):
    source, masks = archive(2)
    (tmp_path / "void").mkdir()
    misnamed = tmp_path / "misnamed"
    misnamed.mkdir()
    (misnamed / "work-00.png").write_bytes((masks / "room 0/work-00.png.png").read_bytes())
    for folder in (tmp_path / "void", misnamed):
        request = request_for(source, folder)
        for start in (restore_archive, preview):
            with pytest.raises(PentimentoError, match=r"no mask in .* MASKS/a/b\.jpg\.png for SRC") as caught:
                start(request)
            assert "\n" not in str(caught.value)
        assert not request.out.exists()


def test_works_without_a_mask_and_masks_without_a_work_are_counted(archive, request_for):
    source, masks = archive(4)
    (masks / "room 1/work-01.jpg.png").unlink()
    (masks / "room 2/work-02.tif.png").rename(masks / "room 2/work-02.png")
    (masks / "readme.txt").write_text("no mask")
    request = request_for(source, masks)
    summary = restore_archive(request)
    assert (summary.without_mask, summary.unused_masks, summary.failed) == (2, 1, 0)
    seen = preview(replace(request, include=("*.webp",)))  # masks of works left out are not unused
    assert (seen["without_mask"], seen["unused_masks"]) == (0, 1)
    without = restore_archive(replace(request, masks=None))
    assert (without.without_mask, without.unused_masks) == (0, 0)


def test_a_mask_that_is_no_file_fails_its_work(archive, request_for):
    source, masks = archive(4)
    request = request_for(source, masks)
    assert restore_archive(request).failed == 0
    for name in ("room 1/work-01.jpg.png", "room 2/work-02.tif.png"):
        (masks / name).unlink()
    (masks / "room 1/work-01.jpg.png").symlink_to(masks / "nowhere.png")
    (masks / "room 2/work-02.tif.png").mkdir()
    summary = restore_archive(request)
    assert (summary.failed, summary.known, summary.without_mask) == (2, 2, 0)
    found = reasons(request.out)
    assert "its mask is a link to no file" in found["room 1/work-01.jpg"]
    assert "its mask is no file" in found["room 2/work-02.tif"]
    assert [row["works"] for row in summary.reasons] == [1, 1]


def test_a_link_that_leads_out_of_the_source_is_not_published(archive, request_for, tmp_path):
    source, _ = archive(1)
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(secret)
    (source / "out.png").symlink_to(secret)
    (source / "sniffed").symlink_to(secret)
    (source / "inside.png").symlink_to("room 0/work-00.png")
    (source / "loop").symlink_to("loop")
    (tmp_path / "alias").symlink_to(source)
    request = request_for(tmp_path / "alias")  # the source itself may be reached by a link
    assert restore_archive(request).copied == 2
    found = reasons(request.out)
    assert found.keys() == {"out.png", "sniffed", "loop"}
    assert all("path leads out of the source" in found[name] for name in ("out.png", "sniffed"))
    written = [path.name for path in (request.out / "data/works").rglob("*") if path.is_file()]
    assert sorted(written) == ["inside.png", "work-00.png"]


def test_works_gone_from_the_source_are_listed_and_kept(archive, request_for):
    source, masks = archive(8)
    request = request_for(source, masks)
    restore_archive(request)
    whole = tree_sha256(request.out / "data")
    (source / "room 1/work-01.jpg").unlink()
    (source / "room 2/work-05.jpg").rename(source / "room 2/new.jpg")
    (masks / "room 2/work-05.jpg.png").rename(masks / "room 2/new.jpg.png")
    (source / "room 0/work-00.png").unlink()
    (source / "room 0/work-00.png").mkdir()  # something is there, so it is not gone
    assert preview(request)["gone"] == 2
    for _ in range(2):
        summary = restore_archive(request)
        assert (summary.works, summary.gone, summary.pruned) == (6, 2, 0)
        lines = output.gone_list(request.out).read_text().splitlines()
        both = ["room 1/work-01.jpg", "room 2/work-05.jpg"]
        assert lines == ["path,output", *(f"{name},{name}" for name in both)]
    (request.out / "data/works/room 2/new.jpg").unlink()
    (request.out / "data/proof/room 2/new.jpg.json").unlink()
    assert tree_sha256(request.out / "data") == whole
    narrow = replace(request, include=("*.png",))
    assert restore_archive(narrow).gone == 0  # nobody asked about the others


def test_results_of_gone_works_are_put_aside_when_that_is_asked_for(archive, request_for):
    source, masks = archive(8)
    request = replace(request_for(source, masks), prune=True)
    restore_archive(request)
    tree, removed = request.out / "data", request.out / ".pentimento/removed"
    result = (tree / "works/room 1/work-01.jpg").read_bytes()
    for round_, name in ((1, "room 1/work-01.jpg"), (2, "room 2/work-02.tif")):
        (source / name).unlink()
        before = preview(request)
        assert (before["gone"], (tree / "works" / name).exists()) == (1, True)
        summary = restore_archive(request)
        assert (summary.gone, summary.pruned) == (1, 1)
        assert not (tree / "works" / name).exists() and not (tree / "proof" / f"{name}.json").exists()
        assert (removed / f"000{round_}/proof" / f"{name}.json").is_file()
        assert restore_archive(request).gone == 0
    assert (removed / "0001/works/room 1/work-01.jpg").read_bytes() == result
    assert output.gone_list(request.out).read_text() == "path,output\n"


def test_a_result_that_another_work_has_taken_over_stays(archive, request_for):
    source, masks = archive(2)
    request = replace(request_for(source, masks, jpeg_output="tiff"), prune=True)
    restore_archive(replace(request, prune=False))
    (source / "room 1/work-01.jpg").rename(source / "room 1/work-01.jpg.tif")  # named like its result
    restore_archive(replace(request, prune=False))
    assert restore_archive(request).pruned == 1
    assert (request.out / "data/works/room 1/work-01.jpg.tif").is_file()


def test_what_lies_in_a_folder_that_cannot_be_read_is_not_gone(archive, request_for, monkeypatch):
    source, masks = archive(6)
    request = replace(request_for(source, masks), prune=True)
    restore_archive(request)
    look = os.scandir

    def refuse(path):
        if str(path).endswith("room 1"):
            raise PermissionError(13, "Permission denied")
        return look(path)

    monkeypatch.setattr(os, "scandir", refuse)
    summary = restore_archive(request)
    assert (summary.gone, summary.failed) == (0, 1)
    assert (request.out / "data/works/room 1/work-01.jpg").is_file()


def test_failures_are_summed_up_by_their_reasons(archive, request_for):
    source, masks = archive(2)
    for number in range(6):
        (source / f"bad-{number}.png").write_bytes(b"" if number % 2 else b"text")
        if number < 3:
            Image.new("L", (5, 5 + number)).save(masks / f"room 1/work-{number:02d}.jpg.png")
            Image.new("L", (64, 48)).save(source / f"room 1/work-{number:02d}.jpg")
    summary = restore_archive(request_for(source, masks))
    assert [(row["works"], row["example"]) for row in summary.reasons] == [
        (3, "bad-1.png"),
        (3, "bad-0.png"),
        (3, "room 1/work-00.jpg"),
    ]
    assert summary.reasons[2]["reason"] == "its mask has … x … pixels, the picture has … x …"
