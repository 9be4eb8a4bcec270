from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.records.vocabulary import country_or_adjective, nationality


@pytest.mark.parametrize(
    ("written", "adjective"),
    [
        ("French", "French"), ("french", "French"), ("France", "French"), ("Germany", "German"),
        ("Chinese, Manchu", "Chinese"), ("Northern Italian; possibly Verona", "Italian"),
        ("South Netherlandish", "Netherlandish"), ("Italian or Spanish", "Italian"), ("Bolognese", "Italian"),
        ("Venetian", "Italian"), ("Bavarian or Austrian", "German"), ("South German or Bohemian", "German"),
        ("Bohemian", "Bohemian"), ("Coptic Egyptian", "Coptic"), ("Ancient Roman", "Roman"),
        ("Kuba (Congolese)", "Congolese"), ("South African", "South African"), ("African", "African"),
        ("South American", "South American"), ("Near Eastern", "Near Eastern"), ("South Korean", "Korean"),
        ("American, born Germany", "American"), ("United States", "American"), ("United Kingdom", "British"),
        ("Polska", "Polish"), ("undetermined", None), ("", None), (None, None), ("Atlantean", None),
    ],
)  # fmt: skip
def test_nationalities(written: str | None, adjective: str | None) -> None:
    assert nationality(written) == adjective


@pytest.mark.parametrize(
    "one",
    [
        "English",
        "British",
        "Scottish",
        "Welsh",
        "Irish",
        "Dutch",
        "Flemish",
        "Netherlandish",
        "Belgian",
        "Chinese",
        "Tibetan",
        "Persian",
        "Iranian",
        "Greek",
        "Byzantine",
    ],
)
def test_neighbours_stay_apart(one: str) -> None:
    assert nationality(one) == one


@pytest.mark.parametrize(
    ("text", "adjective"),
    [
        ("Eastern Tibet, Kham, Riwoche monastery", "Tibetan"),
        ("India (Gujarat)", "Indian"),
        ("Italian, Florence 1450–1500", "Italian"),
        ("active ca. 1680", None),
        ("in the polish of a pole", None),
    ],
)
def test_the_first_country_of_a_text(text: str, adjective: str | None) -> None:
    assert country_or_adjective(text) == adjective


@settings(deadline=None, derandomize=True)
@given(st.text())
def test_any_text_has_a_nationality_or_none_and_that_is_its_own(written: str) -> None:
    found = nationality(written)
    assert found is None or nationality(found) == found
    country_or_adjective(written)
