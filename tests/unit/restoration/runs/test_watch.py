"""Works are seen as they finish, not only when their shard ends."""

import json
from pathlib import Path

from pipeline.restoration.runs.estimate import Recipe
from pipeline.restoration.runs.plan import Plan
from pipeline.restoration.runs.request import Request
from pipeline.restoration.runs.run import ArchiveRun
from pipeline.restoration.runs.shard import Shard, broken_off
from pipeline.restoration.runs.watch import Watch
from tests.conftest import kit, restore_settings

DONE = json.dumps({"work": "a", "value": {"megapixels": 2.5}})
FAILED = json.dumps({"work": "b", "error": "is empty"})
BEGUN = json.dumps({"begun": "c"})


def test_journals_of_open_shards_are_added_to_what_was_collected(tmp_path):
    settings = restore_settings()
    request = Request(tmp_path, tmp_path, settings, Path())
    shards = [Shard(n, (), request) for n in range(2)]
    run = ArchiveRun(request, "space", Recipe.of(kit()), Plan(shards=shards))
    watch = Watch(run)
    assert watch.look().works == 0
    journal = shards[1].journal
    journal.parent.mkdir(parents=True)
    with journal.open("w") as handle:
        handle.write(f"{BEGUN}\n{DONE}\n{FAILED[:9]}")
        handle.flush()
        assert (watch.look().works, watch.look().amount, watch.look().failed) == (1, 2.5, 0)
        handle.write(f"{FAILED[9:]}\nno line\n")
    seen = watch.look()
    assert (seen.works, seen.amount, seen.failed) == (2, 2.5, 1)
    run.collected.add(1)  # its notes are in the summary now
    run.summary.restored, run.summary.megapixels, run.failures = 1, 2.5, {"b": "is empty"}
    assert watch.look() == seen


def test_what_a_killed_process_was_at_is_known(tmp_path):
    journal = tmp_path / "000000.jsonl"
    whole = {"work": "c", "id": "1", "space": "s", "retry": True, "seconds": 0.0, "error": "x"}
    journal.write_text(f'{BEGUN}\n{json.dumps(whole)}\n{{"begun": "d"}}\n{{"begun": "e')
    assert broken_off(journal) == {"d"}
