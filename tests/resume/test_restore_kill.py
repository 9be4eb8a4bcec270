"""SIGKILL at random moments, then the same command: the bytes of an undisturbed run, nothing twice."""

import json
import os
import signal
import sqlite3
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from threading import Thread

import pytest
from PIL import Image

from flows import workers
from flows.archive import restore_archive
from pipeline.archive.fixity import tree_sha256
from pipeline.restoration.runs.shard import journals, read_journal
from tests.resume import hostile

WORKS, HOSTILE, KILLS = 48, 11, 5
MANY = 80  # works that are worth two processes, however small


def recorded(out):
    """Work -> identities of the attempts that were recorded, in the ledger's log or a journal."""
    attempts = defaultdict(set)
    log = out / ".pentimento/log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    for line in lines:
        entry = json.loads(line)
        if "recorded" in entry:
            attempts[entry["recorded"]].add(entry["id"])
    for journal in journals(out).glob("*.jsonl"):
        for note in read_journal(journal):
            attempts[note["work"]].add(note["id"])
    return attempts


def test_five_kills_leave_the_bytes_of_an_undisturbed_run(start, tmp_path):
    archive = hostile.Archive(tmp_path / "src", tmp_path / "masks")
    hostile.add_good(archive, WORKS)
    hostile.add_hostile(archive, HOSTILE)
    ignore = ("nothing.png", "loop.png", "out.png", "forbidden.png")  # links, and what nobody may read
    before = tree_sha256(archive.source, ignore=ignore)
    calm, out = tmp_path / "calm", tmp_path / "out"

    def begin(target):
        return start(archive.source, target, "--masks", str(archive.masks))

    undisturbed = begin(calm)
    printed, problems = undisturbed.communicate()
    assert undisturbed.returncode == 1, problems
    assert json.loads(printed)["failed"] == HOSTILE
    found = hostile.reasons(calm)
    assert found.keys() == archive.bad.keys()
    for name, word in archive.bad.items():
        assert word in found[name], name

    known = set()
    for target, delay in hostile.moments(WORKS, KILLS, seed=4):
        assert hostile.run_killed(lambda: begin(out), out, target, delay), "it was over before it was killed"
        now = recorded(out)
        assert known <= set(now)  # nothing recorded is lost
        known = set(now)
    assert 0 < len(known) < WORKS + HOSTILE

    process = begin(out)
    printed, problems = process.communicate()
    assert process.returncode == 1, problems
    summary = json.loads(printed)
    assert summary["known"] + summary["restored"] + summary["copied"] == WORKS
    attempts = recorded(out)
    assert all(len(identities) == 1 for work, identities in attempts.items() if work in archive.good)
    with sqlite3.connect(out / ".pentimento/ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT count(*) FROM item WHERE space != 'seen' AND error IS NULL").fetchone()
    ledger.close()
    assert rows == (WORKS,)
    assert tree_sha256(out / "data") == tree_sha256(calm / "data")
    assert hostile.reasons(out) == found
    assert tree_sha256(archive.source, ignore=ignore) == before
    assert not list((out / ".pentimento/partial").iterdir())


def test_a_chain_of_ones_own_goes_on_after_a_kill(start, tmp_path):
    works = 8
    archive = hostile.Archive(tmp_path / "src", tmp_path / "masks")
    hostile.add_good(archive, works)
    calm, out = tmp_path / "calm", tmp_path / "out"
    chain = ("--steps", "detect,fill,enhance,upscale", "--scale", "2", "--detect", "classical")
    methods = ("--enhance", "classical", "--upscale", "classical")

    def begin(target):
        return start(archive.source, target, "--masks", str(archive.masks), *chain, *methods)

    undisturbed = begin(calm)
    _, problems = undisturbed.communicate()
    assert undisturbed.returncode == 0, problems
    ((target, delay),) = hostile.moments(works, 1, seed=0)
    assert hostile.run_killed(lambda: begin(out), out, target, delay), "it was over before it was killed"
    process = begin(out)
    _, problems = process.communicate()
    assert process.returncode == 0, problems
    assert tree_sha256(out / "data") == tree_sha256(calm / "data")
    proofs = [json.loads(path.read_text()) for path in (out / "data/proof").rglob("*.json")]
    assert len(proofs) == works
    for proof in proofs:
        assert [step["step"] for step in proof["steps"]] == ["detect", "fill", "enhance", "upscale"]
        assert proof["steps"][3] == {"step": "upscale", "methods": {"upscale": "lanczos"}}
        assert proof["mode"] is None and "lanczos" in proof["whole_picture"]
        page, source = proof["pages"][0], proof["source"]
        assert (page["width"], page["height"]) == (2 * source["width"], 2 * source["height"])


def test_a_second_run_does_nothing(archive, start, tmp_path):
    source, masks = archive(6)
    for expected in ({"known": 0}, {"known": 6, "restored": 0, "copied": 0}):
        process = start(source, tmp_path / "out", "--masks", str(masks))
        printed, problems = process.communicate()
        assert process.returncode == 0, problems
        assert expected.items() <= json.loads(printed).items()


@pytest.mark.parametrize("runner", ["local", "dask"])
def test_a_work_that_kills_its_worker_costs_itself_only(runner, archive, request_for, monkeypatch, tmp_path):
    source, masks = archive(10)
    deadly = f"room 2/{hostile.DEADLY}.tif"
    (source / "room 2/work-02.tif").rename(source / deadly)
    monkeypatch.syspath_prepend(hostile.ROOT)  # for the worker processes
    monkeypatch.setattr(workers, "run_shard", hostile.run_deadly_shard)
    request = request_for(source, masks)
    summary = restore_archive(request, runner, workers=2)
    found = hostile.reasons(request.out)
    assert found.keys() == {deadly}
    assert "its worker process was killed; the machine may be short of memory" in found[deadly]
    assert summary.restored + summary.copied == 9
    monkeypatch.undo()
    calm = replace(request, out=tmp_path / "calm")
    restore_archive(calm)
    assert restore_archive(request).failed == 0  # it is tried again
    assert tree_sha256(request.out / "data") == tree_sha256(calm.out / "data")


def test_a_work_that_killed_the_run_itself_is_tried_in_a_process_of_its_own(
    archive, request_for, monkeypatch
):
    """One worker needs no pool where works are small; after a run died at one, the next is more careful."""
    source, masks = archive(6)
    deadly = f"room 2/{hostile.DEADLY}.tif"
    (source / "room 2/work-02.tif").rename(source / deadly)
    request = request_for(source, masks, shard_megapixels=64)
    journals(request.out).mkdir(parents=True)
    (journals(request.out) / "000000.jsonl").write_text(json.dumps({"begun": deadly}) + '\n{"wor')
    monkeypatch.syspath_prepend(hostile.ROOT)
    monkeypatch.setattr(workers, "run_shard", hostile.run_deadly_shard)
    summary = restore_archive(request)
    assert hostile.reasons(request.out).keys() == {deadly}
    assert (summary.restored + summary.copied, summary.left) == (5, 0)


def test_killed_workers_of_the_pool_cost_nothing(archive, request_for, tmp_path):
    source, masks = archive(40)
    request = request_for(source, masks)
    killed = []

    def strike():
        while hostile.placed(request.out) < 4:
            time.sleep(0.001)
        for worker in hostile.worker_processes(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)

    thread = Thread(target=strike)
    thread.start()
    summary = restore_archive(request, workers=2)
    thread.join()
    assert killed
    assert (summary.failed, summary.restored + summary.copied) == (0, 40)
    calm = replace(request, out=tmp_path / "calm")
    restore_archive(calm)
    assert tree_sha256(request.out / "data") == tree_sha256(calm.out / "data")


def test_killed_workers_that_had_a_head_start_cost_nothing(archive, methods, tmp_path):
    """Enough new works: the command forks its workers before it has loaded anything that forbids it."""
    source, masks = archive(MANY)
    outs, options = (tmp_path / "out", tmp_path / "calm"), ("--masks", str(masks), "--workers")
    process = hostile.start(source, outs[0], methods, *options, "2")
    while hostile.placed(outs[0]) < 4 and process.poll() is None:
        time.sleep(0.001)
    killed = hostile.worker_processes(process.pid, forked=True)
    for worker in killed:
        os.kill(worker, signal.SIGKILL)
    printed, problems = process.communicate()
    assert process.returncode == 0, problems
    assert len(killed) == 2
    calm = hostile.start(source, outs[1], methods, *options, "1")
    assert calm.communicate() and calm.returncode == 0
    assert json.loads(printed)["restored"] + json.loads(printed)["copied"] == MANY
    assert tree_sha256(outs[0] / "data") == tree_sha256(outs[1] / "data")


def test_processes_of_a_pool_end_with_the_run_that_is_killed(archive, tmp_path, methods):
    """Also when it is killed while they start: one that stayed would hold the run's pipes open for ever."""
    source, masks = archive(4)
    Image.effect_noise((2048, 2048), 50).save(source / "large.png")  # enough to want processes
    Image.effect_noise((2048, 2048), 50).resize((5000, 5000)).save(source / "larger.png")
    ended(source, masks, methods, tmp_path, forked=False)


def test_processes_with_a_head_start_end_with_the_run_that_is_killed(archive, tmp_path, methods):
    source, masks = archive(MANY)
    ended(source, masks, methods, tmp_path, forked=True)


def ended(source, masks, methods, folder, forked):
    for number, delay in enumerate((0.0, 0.05, 0.2, 0.4, 0.8)):
        out, options = folder / f"out-{number}", ("--masks", str(masks), "--workers", "2")
        process = hostile.start(source, out, methods, *options)
        while not (children := hostile.worker_processes(process.pid, forked)) and process.poll() is None:
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()
        process.communicate(timeout=60)  # ends when nobody holds the pipes any more
        assert children
