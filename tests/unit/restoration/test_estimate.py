"""How long a run is expected to take, from what earlier runs took."""

import platform
from pathlib import Path

import pytest

from pipeline.restoration.estimate import TYPICAL, Spent, estimate, noted
from pipeline.restoration.plan import Load, Plan
from pipeline.restoration.shard import Shard
from tests.conftest import restore_settings

SETTINGS = restore_settings()


def plan(works=100, megapixels=50.0, shards=4):
    shard = Shard(0, (), Path("out"), SETTINGS, Path("methods"), Path("model"))
    return Plan(damaged=Load(works, megapixels, 1), shards=[shard] * shards)


def run(seconds, settings=SETTINGS, **changes):
    spent = {"restored": Spent(10, 20.0, seconds), "copied": Spent()}
    return {"finished": {}, **noted(settings, spent), **changes}


def test_without_a_run_it_is_a_typical_machine():
    found = estimate(plan(), SETTINGS, 1, [])
    assert found.seconds == pytest.approx(TYPICAL["restored"].seconds(100, 50.0), abs=5)
    assert "typical machine" in found.based_on


def test_a_machine_that_was_twice_as_slow_will_be():
    usual = TYPICAL["restored"].seconds(10, 20.0)
    once = estimate(plan(), SETTINGS, 1, [run(usual)]).seconds
    twice = estimate(plan(), SETTINGS, 1, [run(9 * usual), run(2 * usual)])  # the last one counts
    assert twice.seconds == pytest.approx(2 * once, rel=0.2)
    assert "the last 10 works" in twice.based_on
    assert estimate(plan(), SETTINGS, 2, [run(usual)]).seconds < once


@pytest.mark.parametrize(
    "other",
    [
        run(1.0, restore_settings(mode="enhance")),
        run(1.0, machine=f"not {platform.node()}"),
        run(1.0, spent={"restored": {"works": "many"}}),
        run(1.0, spent=None),
    ],
)
def test_other_machines_other_modes_and_damaged_lines_tell_nothing(other):
    assert estimate(plan(), SETTINGS, 1, [other]) == estimate(plan(), SETTINGS, 1, [])


def test_nothing_to_do_takes_no_time():
    assert estimate(Plan(), SETTINGS, 4, []).seconds == 0
