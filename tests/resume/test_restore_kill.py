"""SIGKILL at random moments, then the same command: the bytes of an undisturbed run, nothing twice."""

import json
import random
import signal
import sqlite3
import time
from collections import defaultdict

from pipeline.archive.fixity import tree_sha256
from pipeline.restoration.shard import journals, read_journal

WORKS, KILLS = 60, 5


def placed(out):
    return sum(1 for path in (out / "data/works").rglob("*") if path.is_file())


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


def test_five_kills_leave_the_bytes_of_an_undisturbed_run(archive, start, tmp_path):
    source, masks = archive(WORKS)
    before = tree_sha256(source)
    calm, out = tmp_path / "calm", tmp_path / "out"
    undisturbed = start(source, calm, "--masks", str(masks))
    _, problems = undisturbed.communicate()
    assert undisturbed.returncode == 0, problems

    moments = random.Random(4)
    targets = sorted(moments.sample(range(2, WORKS - 12), KILLS))
    known = set()
    for target in targets:
        process = start(source, out, "--masks", str(masks))
        while placed(out) < target and process.poll() is None:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.005))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was over before it could be killed"
        now = recorded(out)
        assert known <= set(now)  # nothing recorded is lost
        known = set(now)
    assert 0 < len(known) < WORKS

    process = start(source, out, "--masks", str(masks))
    printed, problems = process.communicate()
    assert process.returncode == 0, problems
    summary = json.loads(printed)
    assert summary["known"] >= len(known)
    assert summary["known"] + summary["restored"] + summary["copied"] == WORKS
    attempts = recorded(out)
    assert len(attempts) == WORKS
    assert all(len(identities) == 1 for identities in attempts.values())
    with sqlite3.connect(out / ".pentimento/ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT count(*) FROM item WHERE space != 'seen'").fetchone()
    ledger.close()
    assert rows == (WORKS,)
    assert tree_sha256(out / "data") == tree_sha256(calm / "data")
    assert tree_sha256(source) == before
    assert not list((out / ".pentimento/partial").iterdir())


def test_a_second_run_does_nothing(archive, start, tmp_path):
    source, masks = archive(6)
    for expected in ({"known": 0}, {"known": 6, "restored": 0, "copied": 0}):
        process = start(source, tmp_path / "out", "--masks", str(masks))
        printed, problems = process.communicate()
        assert process.returncode == 0, problems
        assert expected.items() <= json.loads(printed).items()
