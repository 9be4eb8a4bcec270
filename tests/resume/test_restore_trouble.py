"""Trouble of the machine, and of what a run finds where it keeps its account: one line, and nothing lost."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
from dataclasses import replace
from pathlib import PurePosixPath

import cv2
import pytest

from flows.archive import preview, restore_archive
from pipeline.archive.fixity import tree_sha256
from pipeline.errors import PentimentoError
from pipeline.restoration.runs import output
from pipeline.restoration.runs import run as archive_run
from pipeline.restoration.runs.run import open_run
from pipeline.restoration.runs.shard import read_journal, run_shard
from tests.resume.hostile import ROOT, reasons


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
        patch.setattr("pipeline.restoration.runs.shard.restore_work", refuse)
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


@pytest.fixture
def small_disk(tmp_path):
    """A disk of half a megabyte, where the system lets us mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_really_is_full_loses_nothing(archive, request_for, small_disk, tmp_path):
    source, masks = archive(60)
    request = replace(request_for(source, masks), out=small_disk / "out")
    with pytest.raises(PentimentoError, match="full") as caught:
        restore_archive(request)
    assert "\n" not in str(caught.value)
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    summary = restore_archive(request)
    assert (summary.failed, summary.known + summary.restored + summary.copied) == (0, 60)
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
    request = request_for(source, masks)
    with monkeypatch.context() as patch:
        patch.setattr(cv2, "inpaint", lambda *_: 1 / 0)
        assert restore_archive(request).failed == 3
    assert "ZeroDivisionError" in reasons(request.out)["room 1/work-01.jpg"]
    assert restore_archive(request).failed == 0


def test_a_source_that_changes_while_it_is_read_is_not_mixed_with_what_it_was(
    archive, request_for, monkeypatch, tmp_path
):
    source, masks = archive(3)
    request, inpaint = request_for(source, masks), cv2.inpaint
    changed = source / "room 2/work-02.tif"

    def change(*arguments):
        changed.write_bytes(changed.read_bytes() + b"x")
        return inpaint(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(cv2, "inpaint", change)
        assert restore_archive(request).failed == 1
    assert "was altered while it was being restored" in reasons(request.out)["room 2/work-02.tif"]
    assert not (request.out / "data/works/room 2/work-02.tif").exists()
    assert restore_archive(request).failed == 0  # it has settled


@pytest.mark.parametrize("part", ["weights.safetensors", "card.json"])
def test_a_broken_model_stops_the_run_before_it_begins(part, archive, request_for, tmp_path):
    source, masks = archive(2)
    model = tmp_path / "models/restorer"
    shutil.copytree(ROOT / "pretrained/restorer", model)
    (model / part).write_bytes((model / part).read_bytes()[:100])
    chosen = {"thin": {"best": "telea"}, "wide": {"best": "learnt"}}
    (tmp_path / "methods.json").write_text(json.dumps({"by_shape": chosen}))
    request = request_for(source, masks)
    trained = PurePosixPath(model.parent)
    request = replace(request, settings=request.settings.model_copy(update={"trained": trained}))
    with pytest.raises(PentimentoError) as caught:
        restore_archive(request)
    assert str(model) in str(caught.value) and "\n" not in str(caught.value)
    assert not request.out.exists()


def test_a_journal_cut_off_by_a_kill_is_read_up_to_the_cut(archive, request_for):
    source, masks = archive(3)
    request = request_for(source, masks)
    with open_run(request) as run:
        run_shard(run.shards[0])
        with run.shards[0].journal.open("a") as journal:
            journal.write('{"work": "cut of')
        done = len(run.shards[0].works)
    assert restore_archive(request).known == done
    assert output.ledger_path(request.out).exists()


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
    assert [line["finished"] for line in output.finished_runs(request.out)] == [done.as_dict()]
    assert preview(request)["known"] == 2


def test_lines_of_a_journal_that_are_not_whole_are_passed_over(archive, request_for):
    source, masks = archive(3)
    request = request_for(source, masks)
    with open_run(request) as run:
        journal = run.shards[0].journal
        run_shard(run.shards[0])
        whole = journal.read_text().splitlines()[1]  # the first says that it was begun
        note = json.loads(whole)
        # A note without a format version is one of version 1: it is whole.
        fields = [key for key in note if key != "format_version"]
        parts = [{key: note[key] for key in fields if key != left_out} for left_out in fields]
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
