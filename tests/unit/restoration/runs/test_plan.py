"""Sharing out works, and what can be told of that before a plan is made."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.archive.ledger import Entry, Ledger
from pipeline.restoration.runs import output
from pipeline.restoration.runs.plan import expect, look_through, make_plan
from pipeline.restoration.runs.request import Request
from tests.conftest import restore_settings


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """130 works of 32 x 24 pixels."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(130):
        Image.new("L", (32, 24)).save(folder / f"{number:03d}.png")
    return folder


def request_for(source, out, **changes):
    return Request(source, out, restore_settings(**changes), Path("methods.json"))


def sizes(request, workers):
    found, masks = look_through(request)
    return [len(shard.works) for shard in make_plan(request, "space", found, masks, None, workers).shards]


def test_tiny_works_are_shared_out_evenly(source, tmp_path):
    request = request_for(source, tmp_path / "out", shard_megapixels=64)
    assert sizes(request, 2) == [64, 64, 2]  # no shard has more than 64
    assert sizes(replace(request, limit=100), 2) == [50, 50]
    assert sizes(replace(request, limit=40), 2) == [40]  # done before a second process has started
    assert sizes(replace(request, limit=100), 1) == [50, 50]


@given(workers=st.integers(1, 9), limit=st.integers(1, 130), most=st.sampled_from([0.01, 0.3, 1.0, 64.0]))
def test_no_process_is_started_early_that_has_no_shard(source, workers, limit, most):
    request = request_for(source, Path("nowhere"), shard_megapixels=most)
    request = replace(request, limit=limit)
    early = expect(request, look_through(request)[0], workers)
    assert 1 <= early <= min(workers, len(sizes(request, workers)))


def test_nothing_is_started_early_for_works_that_were_seen(source, tmp_path):
    request = request_for(source, tmp_path / "out", shard_megapixels=64)
    found, _ = look_through(request)
    assert expect(request, found, 2) == 2
    assert not output.ledger_path(request.out).exists()  # a glance writes nothing
    with Ledger(output.ledger_path(request.out), "seen") as seen:
        seen.put({work.relative: Entry({}) for work in found.works[:50]})
        assert expect(request, found, 2) == 2
        assert expect(replace(request, limit=60), found, 2) == 1
        seen.put({work.relative: Entry({}) for work in found.works})
    assert expect(request, found, 2) == 0
