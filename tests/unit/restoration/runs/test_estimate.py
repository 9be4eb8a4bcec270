"""How long a run is expected to take, from what earlier runs took."""

import platform
from pathlib import Path

import pytest

from pipeline.restoration.runs.estimate import TYPICAL, Recipe, Spent, estimate, noted
from pipeline.restoration.runs.plan import Load, Plan
from pipeline.restoration.runs.request import Request
from pipeline.restoration.runs.shard import Shard
from tests.conftest import kit, restore_settings

RECIPE = Recipe.of(kit())


def plan(works=100, megapixels=50.0, shards=4):
    shard = Shard(0, (), Request(Path("src"), Path("out"), restore_settings(), Path("methods")))
    return Plan(damaged=Load(works, megapixels, 1), shards=[shard] * shards)


def run(seconds, recipe=RECIPE, **changes):
    spent = {"restored": Spent(10, 20.0, seconds), "copied": Spent()}
    return {"finished": {}, **noted(recipe, spent), **changes}


def test_without_a_run_it_is_a_typical_machine():
    found = estimate(plan(), RECIPE, 1, [])
    assert found.seconds == pytest.approx(TYPICAL["restored"].seconds(100, 50.0), abs=5)
    assert "typical machine" in found.based_on


def test_a_machine_that_was_twice_as_slow_will_be():
    usual = TYPICAL["restored"].seconds(10, 20.0)
    once = estimate(plan(), RECIPE, 1, [run(usual)]).seconds
    twice = estimate(plan(), RECIPE, 1, [run(9 * usual), run(2 * usual)])  # the last one counts
    assert twice.seconds == pytest.approx(2 * once, rel=0.2)
    assert "the last 10 works" in twice.based_on
    assert estimate(plan(), RECIPE, 2, [run(usual)]).seconds < once


@pytest.mark.parametrize(
    "other",
    [
        run(1.0, Recipe.of(kit(mode="enhance"))),
        run(1.0, machine=f"not {platform.node()}"),
        run(1.0, spent={"restored": {"works": "many"}}),
        run(1.0, spent=None),
    ],
)
def test_other_machines_other_modes_and_damaged_lines_tell_nothing(other):
    assert estimate(plan(), RECIPE, 1, [other]) == estimate(plan(), RECIPE, 1, [])


def test_nothing_to_do_takes_no_time():
    assert estimate(Plan(), RECIPE, 4, []).seconds == 0


def test_what_costs_more_is_expected_to():
    cheap, looked, enhanced = (
        Recipe.of(kit(**c)) for c in ({}, {"detect": "classical"}, {"mode": "enhance"})
    )
    large, larger = (Recipe.of(kit(mode="upscale", scale=scale)) for scale in (2, 4))
    learnt = Recipe({}, ["learnt"])
    for less, more in ((cheap, looked), (cheap, enhanced), (large, larger), (cheap, learnt)):
        assert estimate(plan(), less, 1, []).seconds < estimate(plan(), more, 1, []).seconds
