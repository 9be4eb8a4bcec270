"""Progress in words: how far, how fast, how long; every reading by a clock of the test's own."""

import sys

import pytest

from pipeline import progress
from pipeline.progress import Meter, Progress, duration, watched


def test_a_line_says_how_far_how_fast_and_how_long():
    meter = Meter("restore", 1000, 500.0)
    assert meter.line(Progress(0, 0.0, 0), 100.0) == "restore: 0 of 1,000 works, 0.0 of 500.0 MP"
    line = meter.line(Progress(100, 50.0, 2), 110.0)
    assert line == "restore: 100 of 1,000 works, 50.0 of 500.0 MP, 5.0 MP/s, 90 s left, 2 failed".replace(
        "90 s", "2 min"
    )


def test_the_speed_is_the_recent_one():
    meter = Meter("restore", 1000, 1000.0)
    for second in range(0, 100, 10):
        meter.line(Progress(second, float(second), 0), float(second))
    assert "1.0 MP/s" in meter.line(Progress(100, 100.0, 0), 100.0)
    for second in range(110, 200, 10):
        line = meter.line(Progress(100 + (second - 100) * 2, 100.0 + (second - 100) * 2, 0), float(second))
    assert "2.0 MP/s" in line


def test_nothing_done_yet_promises_nothing():
    meter = Meter("restore", 3, 1.0)
    for second in (0.0, 60.0):
        assert "left" not in meter.line(Progress(0, 0.0, 0), second)


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.4, "4 s"), (89, "89 s"), (600, "10 min"), (12_000, "3 h 20 min")]
)
def test_durations_read_as_people_say_them(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize("terminal", [True, False])
def test_a_run_is_watched_on_standard_error_only(terminal, monkeypatch, capsys):
    monkeypatch.setattr(progress, "PLAIN_INTERVAL", 0.001)
    monkeypatch.setattr(progress, "LIVE_INTERVAL", 0.001)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    looks = []

    def look():
        looks.append(1)
        return Progress(1, 1.0, 0)

    with watched(Meter("restore", 2, 2.0), look):
        while len(looks) < 3:
            pass
    said = capsys.readouterr()
    assert said.out == ""
    assert "restore: 1 of 2 works" in said.err
