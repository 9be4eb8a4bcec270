from __future__ import annotations

import pytest

from pipeline.archive.reasons import commonest, reason_kind


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("declares 100 x 2,000 pixels", "declares 7 x 1.5 pixels"),
        ("has the model 'a'", "has the model 'b c'"),
        ('has no entry "a"', 'has no entry "b 1"'),
        ("the same file as met:1", "the same file as folder:a, b"),
        ("the same picture as met:1", "the same picture as folder:x"),
        ("is 1-5 years old", "is 20-300 years old"),
    ],
)
def test_reasons_that_differ_in_names_and_numbers_are_of_one_kind(one: str, other: str) -> None:
    assert reason_kind(one) == reason_kind(other)


@pytest.mark.parametrize(
    "reason", ["it isn't, and it won't", "has bytes that are no printable UTF-8", "is no UTF-16", "no sha256"]
)
def test_words_stay(reason: str) -> None:
    assert reason_kind(reason) == reason


def test_the_commonest_kind_comes_first_with_a_work_as_its_example() -> None:
    failures = {f"{n}.png": f"declares {n} pixels" for n in range(5)} | {"a.png": "is empty"}
    assert commonest(failures, 1) == [{"reason": "declares … pixels", "works": 5, "example": "0.png"}]
    assert [row["reason"] for row in commonest(failures)] == ["declares … pixels", "is empty"]
