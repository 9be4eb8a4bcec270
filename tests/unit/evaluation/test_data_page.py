"""The page of the data report: complete, escaped, and of itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from pipeline.evaluation.report import charts
from pipeline.evaluation.report.data_page import Card, Gallery, render
from tests.conftest import painting

EVIL = "<script>alert('x')</script> & \"quoted\" ]]>"
VOID = {"meta", "img", "br"}


def numbers(name: str = "met") -> dict:
    """What the page is filled from, with a name wherever a source or a record gives one."""
    return {
        "rows": {
            "in": 12, "kept": 9, "quarantined": 2, "unaccounted": 1,
            "sources": {name: {"in": 12, "kept": 9, "quarantined": 2}},
        },
        "broken_rules": {"ingest": {}, "clean": {f"{name}: must not be empty": 3}},
        "gaps": {
            "artist": {"works": 9, "in_records": 1, "after": 2, "before": 2},
            "year": {"works": 9, "after": 0, "before": 3},
            "period": {"works": 9, "in_records": 5},
        },
        "labels": {
            "school": {"origins": {"recorded": 6, name: 3}, "confidence": {name: [0] * 5 + [2, 0, 0, 0, 1]}},
            "year": {"origins": {"recorded": 9}, "confidence": {}},
        },
        "held_out_completed": {"school": 0},
        "balance": "logit_adjustment",
        "classes": {"school": {name: {"works": 6, "after": 4.5}, "Dutch": {"works": 3, "after": 4.5}}},
        "years": {
            "step": 50, "earliest": 1601, "latest": 1699,
            "bins": {"1600": {"recorded": 4, "completed": 0}, "1650": {"recorded": 2, "completed": 3}},
        },
        "files": {
            "formats": {"jpeg": 12}, "modes": {name: 12}, "megapixels": {"under 0.1": 12}, "bytes": 1_234_567,
            "median_sides": [300, 400], "longest_side": 900, "shortest_side": 8,
        },
        "duplicates": {"groups": 1, "works": 2, "largest": 2, "straddling": 0, "identical_files": 1},
        "quarantine": {f"{name} cannot be decoded": 2},
        "suspects": {
            "judged": 9, "suspect": 1, "pairs": {f"{name} → Dutch": 1}, "not_told_apart": {name: 3},
        },
    }  # fmt: skip


def galleries(name: str = "a.jpg") -> dict[str, Gallery]:
    uri = charts.thumbnail_uri(painting(0), 64)
    return {
        "duplicates": Gallery([[Card(name, uri, lines=(name,)), Card("b.jpg", uri)]], left_out=4),
        "suspects": Gallery([[Card(name, None, name, ("given: French",))]]),
        "quarantine": Gallery([[Card(name, None, lines=("is empty (0 bytes)",))]], left_out=17),
    }


class Checked(HTMLParser):
    """Follows the tags: every one that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"


def test_the_page_needs_nothing_but_itself() -> None:
    page = render(numbers(), galleries(), "The data", ["met:7"])
    assert page.startswith("<!doctype html>")
    assert not re.search(r"(?:src|href)=(?!\"data:|\"#)|url\(|@import|<link|<script", page)
    parser = Checked()
    parser.feed(page)
    assert parser.open == []
    assert parser.seen.count("img") == 2


def test_equal_inputs_give_equal_bytes() -> None:
    assert render(numbers(), galleries(), "t") == render(numbers(), galleries(), "t")


def test_whatever_records_and_names_hold_is_text_on_the_page() -> None:
    page = render(numbers(EVIL), galleries(EVIL), EVIL, [EVIL])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 12
    parser = Checked()
    parser.feed(page)
    assert parser.open == []


def test_what_is_wrong_is_said_aloud() -> None:
    wrong = numbers()
    wrong["held_out_completed"]["school"] = 2
    wrong["duplicates"]["straddling"] = 3
    page = " ".join(render(wrong, galleries(), "t", ["met:7"]).split())
    assert "12 pictures in = 9 kept + 2 in quarantine + 1 unaccounted for" in page
    assert "met:7" in page
    assert "2 works of val and test have a completed school" in page
    assert "3 groups have works in more than one split" in page
    assert "met: must not be empty" in page
    assert "4 more works of such groups are not shown" in page
    assert "17 more works in quarantine are not shown" in page
    assert page.count('class="alarm"') == 3


def test_how_rare_classes_are_helped_and_what_is_not_told_apart_is_said() -> None:
    page = " ".join(render(numbers("Flemish"), galleries(), "t").split())
    assert "Rebalancing: <b>logit_adjustment</b>; no work weighs more" in page
    assert "none of their works is called suspect: Flemish (3)." in page


def test_where_nothing_is_wrong_the_page_says_so() -> None:
    fine = numbers()
    fine["rows"] |= {"unaccounted": 0, "quarantined": 0}
    fine["broken_rules"] = {"ingest": {}}
    fine["labels"] = {"year": {"origins": {"recorded": 9}, "confidence": {}}}
    fine["years"] = {"step": 1, "bins": {}}
    fine["suspects"] = {"judged": 0, "suspect": 0, "pairs": {}, "not_told_apart": {}}
    fine["quarantine"] = {}
    empty = dict.fromkeys(("duplicates", "suspects", "quarantine"), Gallery())
    page = render(fine, empty, "t")
    for words in ("No rule is broken", "No label was completed", "No work is dated", "No labels were judged",
                  "Every picture was readable"):  # fmt: skip
        assert words in page
    assert 'class="alarm"' not in page


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (300, 200)])
def test_a_thumbnail_is_small_whatever_the_picture(shape: tuple[int, int]) -> None:
    uri = charts.thumbnail_uri(np.zeros((*shape, 3), np.uint8), 160)
    assert uri.startswith("data:image/webp;base64,")
    assert len(uri) < 20_000


def test_columns_stack_and_label_some_bins() -> None:
    chart = charts.columns({str(n): {"a": n, "b": 1} for n in range(6)}, every=3)
    assert chart.count("<rect") == 5 + 6
    assert ">0</text>" in chart
    assert ">3</text>" in chart
    assert ">2</text>" not in chart
    assert charts.columns({}) != ""
