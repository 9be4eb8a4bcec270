from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.catalog.records.artists import QUALIFIERS, Artist, life_years, parse_artist, says_unknown
from pipeline.catalog.records.vocabulary import nationality
from tests.unit.catalog.records.cases import cases, wrong

WORDS = (
    "Attributed to ", "after ", "Workshop of ", " workshop", "Anna", " Bell", ", ", "; ", " | ",
    "(", ")", "French", "1850", "–", "-", "born ", "died ", "unknown ", "School", " and ", "& Co.",
    "the ", "Elder", "Sir ", "of ", " II", "active ", "c. ", "/", "or ", "possibly ",
    "19th century", ".", "Earl of", "van ", "[", "]", "?",
)  # fmt: skip
ANY_ARTIST = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=10).map("".join))


def test_the_drawn_records_are_read_as_a_person_read_them() -> None:
    missed, rows = wrong("artists_drawn", parse_artist)
    assert rows == 210
    assert len(missed) <= 0.03 * rows, "\n".join(missed)


def test_rare_and_difficult_makers() -> None:
    missed, _ = wrong("artists_written", parse_artist)
    assert not missed, "\n".join(missed)


@pytest.mark.parametrize(
    "written", ["Unknown", "unidentified artist", "Anonymous", "Artist unknown", "unknown American"]
)
def test_the_unknown_is_understood(written: str) -> None:
    assert says_unknown(written)
    assert parse_artist(written).name is None


def test_nothing_written_is_nothing_known() -> None:
    assert parse_artist(None) == Artist(None)
    assert parse_artist("  ") == Artist(None)


@pytest.mark.parametrize(
    ("written", "years"),
    [
        ("French, Paris 1832–1883 Paris", (1832, 1883)),
        ("Greek, Iráklion (Candia) 1541–1614 Toledo", (1541, 1614)),
        ("Italian, Venice 1460/66?–1525/26 Venice", (1460, 1526)),
        ("Netherlandish, Seligenstadt, active by 1465–died 1494 Bruges", (None, 1494)),
        ("Italian, Siena, active by 1317–died ?1339/49", (None, 1349)),
        ("Chinese, active ca. 742–756", (None, None)),
        ("Chinese, 1082–1135; r. 1100–25", (1082, 1135)),
        ("born 1930", (1930, None)),
        ("born 1930, died 1999", (1930, 1999)),
        ("died c.1860", (None, 1860)),
        ("1903–63", (1903, 1963)),
        ("c.1577 or 1578–c.1621 or 22", (1577, 1622)),
        ("1767 or 9–1818", (1767, 1818)),
        ("1742–after 1828", (1742, 1828)),
        ("1756 –1894", (1756, 1894)),
        ("born 1944, born 1945", (None, None)),
        ("exhibited 1784–1789", (None, None)),
        ("established 1967/1968", (None, None)),
        ("19th century", (None, None)),
        ("1933", (None, None)),
        ("1900–1850", (None, None)),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_years_of_a_life(written: str | None, years: tuple[int | None, int | None]) -> None:
    assert life_years(written) == years


@settings(deadline=None, derandomize=True)
@given(ANY_ARTIST)
@example("(" * 3000)
@example("A, " * 500)
@example("a " * 5000)
def test_any_text_is_a_maker_or_none(written: str) -> None:
    found = parse_artist(written)
    assert found == parse_artist(written)
    assert found.qualifier is None or found.qualifier in QUALIFIERS
    assert found.nationality is None or nationality(found.nationality) == found.nationality
    assert found.name is None or found.name.strip()
    assert not (found.birth and found.death) or found.birth <= found.death
    says_unknown(written)
    life_years(written)


@pytest.mark.parametrize("table", ["artists_drawn", "artists_written"])
def test_a_name_in_order_stays_as_it_is(table: str) -> None:
    for row in cases(table):
        if row["name"]:
            assert parse_artist(row["name"]).name == row["name"]
