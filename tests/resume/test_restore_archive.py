"""An archive as archives are: changed, odd, broken, guarded; and the machine's own trouble."""

import errno
import json
import os
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from flows.archive import preview, restore_archive
from pipeline.archive.fixity import tree_sha256
from pipeline.errors import PentimentoError
from pipeline.restoration import archive_run, engine, names, output
from pipeline.restoration import masks as mask_module
from pipeline.restoration.archive_run import Request, open_run
from pipeline.restoration.output import quarantine
from pipeline.restoration.shard import read_journal, run_shard
from tests.conftest import restore_settings

SETTINGS = restore_settings(max_megapixels=1, max_failure_ratio=1, shard_megapixels=0.01)


@pytest.fixture
def request_for(tmp_path, methods):
    def make(source, masks=None, **changes):
        settings = SETTINGS.model_copy(update=changes)
        return Request(source, tmp_path / "out", settings, methods, tmp_path, masks)

    return make


@pytest.fixture
def counted(monkeypatch):
    """The works that were worked on."""
    seen = []
    original = engine.restore_work

    def restore_work(work, tree, kit):
        seen.append(work.relative)
        return original(work, tree, kit)

    monkeypatch.setattr("pipeline.restoration.shard.restore_work", restore_work)
    return seen


def reasons(out):
    import csv

    with quarantine(out).open(encoding="utf-8", newline="") as handle:
        return {row["path"]: row["reason"] for row in csv.DictReader(handle)}


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
        "pages.tif": "2 pages",
        "cmyk.tif": "5 x 5 pixels, the picture has 64 x 48",
    }
    assert found.keys() == expected.keys()
    for name, reason in expected.items():
        assert reason in found[name], name
    assert summary.failed == len(expected)
    assert (summary.ignored_files, summary.skipped_links) == (1, 1)
    assert summary.restored + summary.copied == 4 + 3
    assert json.loads((request.out / "data/proof/named.jpg.json").read_text())["source"]["format"] == "png"
    assert tree_sha256(source, ignore=("circle", "dangling.png")) == before
    again = restore_archive(request)
    assert (again.failed, again.known) == (summary.failed, 7)
    assert reasons(request.out) == found


def test_odd_names_are_kept_apart_and_can_be_brought_back(archive, request_for, tmp_path):
    source = tmp_path / "src"
    source.mkdir()
    odd = ["a\nb.png", "100%.png", "100%25.png", os.fsdecode(b"caf\xe9.png"), "A.png", "a.png",
           "quote'\".png", "x" * 251 + ".png", "dir\\file.png"]  # fmt: skip
    for name in odd:
        Image.new("RGB", (20, 20), "white").save(source / name, "PNG")
    request = request_for(source)
    assert restore_archive(request).copied == len(odd)
    proofs = list((request.out / "data/proof").iterdir())
    recorded = {names.decode(json.loads(p.read_text())["source"]["path"]) for p in proofs}
    assert recorded == set(odd)
    assert len(list((request.out / "data/works").iterdir())) == len(odd)


def test_a_name_that_tiff_output_would_take_is_refused(archive, request_for):
    source, masks = archive(2)
    (source / "room 1/work-01.jpg.tif").write_bytes((source / "room 1/work-01.jpg").read_bytes())
    request = request_for(source, masks, jpeg_output="tiff")
    restore_archive(request)
    assert "name of another work" in reasons(request.out)["room 1/work-01.jpg"]


@pytest.mark.parametrize(
    "case",
    ["missing", "empty", "inside", "around", "same", "file", "parent", "masks", "in masks", "is masks"],
)
def test_folders_that_cannot_be_worked_with_are_refused_in_one_line(case, archive, request_for, tmp_path):
    source, masks = archive(1)
    request = request_for(source)
    (tmp_path / "void").mkdir()
    (tmp_path / "plain").write_text("")
    wrong, reason = {
        "missing": ({"source": tmp_path / "none"}, "does not exist"),
        "empty": ({"source": tmp_path / "void"}, "holds no image"),
        "inside": ({"out": source / "results"}, "lies in the source"),
        "around": ({"out": tmp_path}, "lies in the output"),
        "same": ({"out": source}, "lies in the source"),
        "file": ({"out": tmp_path / "plain"}, "is a file"),
        "parent": ({"out": tmp_path / "plain/a/b"}, "plain is a file; name another"),
        "in masks": ({"masks": masks, "out": masks / "a/b"}, "lies in the masks"),
        "is masks": ({"masks": masks, "out": masks}, "lies in the masks"),
        "masks": ({"masks": tmp_path / "none"}, "masks folder"),
    }[case]
    before = tree_sha256(source)
    with pytest.raises(PentimentoError, match=reason) as caught:
        restore_archive(replace(request, **wrong))
    assert "\n" not in str(caught.value)
    assert tree_sha256(source) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read and write everything")
def test_permissions_are_respected(archive, request_for, tmp_path):
    source, masks = archive(3)
    locked = source / "room 0/work-00.png"
    locked.chmod(0)
    request = request_for(source, masks)
    assert restore_archive(request).failed == 1
    assert "Permission denied" in reasons(request.out)["room 0/work-00.png"]
    locked.chmod(0o600)
    assert restore_archive(request).failed == 0
    guarded = tmp_path / "guarded"
    guarded.mkdir(mode=0o500)
    with pytest.raises(PentimentoError, match="cannot be written"):
        restore_archive(replace(request, out=guarded / "out"))


def test_an_unreadable_work_is_tried_again_although_nothing_changed(archive, request_for, monkeypatch):
    source, masks = archive(3)
    request = request_for(source, masks)

    def refuse(work, tree, kit):
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.restoration.shard.restore_work", refuse)
        assert restore_archive(request).failed == 3
    assert "Permission denied" in reasons(request.out)["room 0/work-00.png"]
    assert restore_archive(request).failed == 0
    assert reasons(request.out) == {}


def test_a_full_disk_stops_the_run_with_nothing_half_written(archive, request_for, monkeypatch, tmp_path):
    source, masks = archive(6)
    request = request_for(source, masks)
    flush, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 7:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(PentimentoError, match=r"disk .* is full") as caught:
            restore_archive(request)
    assert "\n" not in str(caught.value)
    assert not list((request.out / ".pentimento/partial").iterdir())
    left = [p for p in (request.out / "data/works").rglob("*") if p.is_file()]
    assert 0 < len(left) < 6
    assert restore_archive(request).failed == 0
    calm = replace(request, out=tmp_path / "calm")
    restore_archive(calm)
    assert tree_sha256(request.out / "data") == tree_sha256(calm.out / "data")


def test_a_second_run_on_the_same_output_refuses(archive, request_for):
    source, masks = archive(2)
    request = request_for(source, masks)
    with open_run(request), pytest.raises(PentimentoError, match=f"another run .process {os.getpid()}"):
        restore_archive(request)
    assert restore_archive(request).restored == 1


def test_too_many_failures_stop_the_run(archive, request_for):
    source, masks = archive(2)
    for number in range(6):
        (source / f"bad-{number}.png").write_bytes(b"")
    request = request_for(source, masks, max_failure_ratio=0.5)
    with pytest.raises(PentimentoError, match=r"of 8 works failed, more than max_failure_ratio 0.5"):
        restore_archive(request)
    assert len(reasons(request.out)) > 4


def test_one_work_that_trips_a_library_does_not_stop_the_others(archive, request_for, monkeypatch):
    source, masks = archive(4)
    original = mask_module.detect
    monkeypatch.setattr(mask_module, "detect", lambda pixels: 1 / 0)
    request = request_for(source, masks, detect="classical")
    assert restore_archive(request).failed == 4
    assert "ZeroDivisionError" in reasons(request.out)["room 0/work-00.png"]
    monkeypatch.setattr(mask_module, "detect", original)
    assert restore_archive(request).failed == 0


def test_a_preview_counts_and_writes_nothing(archive, request_for):
    source, masks = archive(8)
    request = replace(request_for(source, masks), include=("*.png", "*.jpg"), exclude=("room 0/*",), limit=2)
    seen = preview(request)
    assert (seen["works"], seen["to_do"]) == (2, 2)
    assert seen["megapixels"] == pytest.approx(2 * 48 * 64 / 1e6, abs=0.01)
    assert not request.out.exists()
    assert restore_archive(request).works == 2
    assert preview(request)["to_do"] == 0


def test_workers_and_shards_change_no_byte(archive, request_for, tmp_path):
    source, masks = archive(12)
    request = request_for(source, masks)
    other = replace(request_for(source, masks, shard_megapixels=64), out=tmp_path / "other")
    assert restore_archive(request, workers=2).restored == restore_archive(other).restored
    assert tree_sha256(request.out / "data") == tree_sha256(other.out / "data")


def test_a_killed_worker_costs_one_work_only(archive, request_for, monkeypatch):
    """The pool breaks, the works that are left run one by one, the culprit is named."""
    import signal

    from flows import archive as flow

    class Broken:
        def submit(self, function, shard):
            raise flow.BrokenProcessPool

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def shutdown(self, **_):
            return None

    class Alone(Broken):
        def submit(self, function, shard):
            if "work-02" in shard.works[0].relative:
                raise flow.BrokenProcessPool(signal.SIGKILL)
            function(replace(shard, parent=0))
            return type("Done", (), {"result": staticmethod(lambda: None)})

    source, masks = archive(5)
    monkeypatch.setattr(flow._LocalPool, "_start", staticmethod(lambda n: Alone() if n == 1 else Broken()))
    request = request_for(source, masks)
    summary = restore_archive(request, workers=2)
    assert reasons(request.out).keys() == {"room 2/work-02.tif"}
    assert "killed" in reasons(request.out)["room 2/work-02.tif"]
    assert summary.restored + summary.copied == 4


def test_a_journal_cut_off_by_a_kill_is_read_up_to_the_cut(archive, request_for):
    source, masks = archive(3)
    request = request_for(source, masks)
    with open_run(request) as run:
        run_shard(run.shards[0])
        with run.shards[0].journal.open("a") as journal:
            journal.write('{"work": "cut of')
        done = len(run.shards[0].works)
    assert restore_archive(request).known == done
    assert archive_run.Summary().as_dict()["failed"] == 0
    assert output.ledger_path(request.out).exists()


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
    assert "work-01.jpg.png is a link to no file" in found["room 1/work-01.jpg"]
    assert "work-02.tif.png is no file" in found["room 2/work-02.tif"]


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


@pytest.mark.parametrize("late", [False, True])
def test_a_damaged_ledger_is_said_in_one_line(archive, request_for, monkeypatch, late):
    source, masks = archive(2)
    request = request_for(source, masks)
    restore_archive(request)
    ledger = output.ledger_path(request.out)
    with monkeypatch.context() as patch:
        if late:

            def malformed(*_):
                raise sqlite3.DatabaseError("database disk image is malformed")

            patch.setattr(archive_run.Ledger, "get", malformed)
        else:
            ledger.write_bytes(b"no database" * 400)
        with pytest.raises(PentimentoError, match="move") as caught:
            restore_archive(request)
    assert str(ledger) in str(caught.value) and "\n" not in str(caught.value)
    ledger.unlink()
    summary = restore_archive(request)
    assert summary.restored + summary.copied == 2


def test_damaged_lines_of_the_run_log_are_passed_over(archive, request_for):
    source, masks = archive(2)
    request = request_for(source, masks)
    done = restore_archive(request)
    with output.log_path(request.out).open("ab") as handle:
        handle.write(b'{"finished": {}}\n{"finished": 3}\n["finished"]\n{"finished": {"megapixels": "1", ')
        handle.write(b'"seconds": 1}}\n\xff{"finished"\n')
    assert output.finished_runs(request.out) == [done.as_dict()]
    assert preview(request)["known"] == 2


def test_lines_of_a_journal_that_are_not_whole_are_passed_over(archive, request_for):
    source, masks = archive(3)
    request = request_for(source, masks)
    with open_run(request) as run:
        journal = run.shards[0].journal
        run_shard(run.shards[0])
        (whole,) = journal.read_text().splitlines()[:1]
        note = json.loads(whole)
        parts = [{key: note[key] for key in note if key != left_out} for left_out in note]
        damaged = [
            {"work": "x"},
            [],
            note | {"value": {}},
            note | {"value": None},
            note | {"work": []},
            *parts,
        ]
        with journal.open("a") as handle:
            handle.writelines(json.dumps(one) + "\n" for one in damaged)
        count = len(run.shards[0].works)
        assert len(list(read_journal(journal))) == count
    assert restore_archive(request).known == count


@pytest.mark.parametrize("case", ["empty", "pattern"])
def test_a_start_that_fails_leaves_nothing_behind(case, archive, request_for, tmp_path):
    source, masks = archive(1)
    (tmp_path / "void").mkdir()
    request = request_for(source if case == "pattern" else tmp_path / "void", masks)
    with pytest.raises(PentimentoError, match="holds no image"):
        restore_archive(replace(request, include=("*.nef",) if case == "pattern" else ()))
    assert not request.out.exists()
