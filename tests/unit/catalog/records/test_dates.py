from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.catalog.records.dates import MAX_YEAR, PRECISIONS, Date, century, parse_date, says_unknown
from tests.unit.catalog.records.cases import wrong

# What dates are made of, put together at random.
WORDS = (
    "1850", "c. ", "-", "–", "/", "19th century", "18th", "early ", "mid", "BCE", "AD ", " CE", ",",
    "(", "or", " and ", "printed ", "?", "before ", "after ", "1930s", "20", "5", "200", "dynasty",
    "12/1/1900", "0s", "00", "2nd quarter of ", "last ", " ", "1700s", "designed", "(cast)",
    "99999", "1858/2", "or later", "B.C.", "²", "٣", "1850-", "half", "to ", "period ",
)  # fmt: skip
ANY_DATE = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=12).map("".join))


def test_the_drawn_records_are_read_as_a_person_read_them() -> None:
    missed, rows = wrong("dates_drawn", parse_date)
    assert rows == 210
    assert len(missed) <= 0.03 * rows, "\n".join(missed)


def test_rare_and_difficult_dates() -> None:
    missed, _ = wrong("dates_written", parse_date)
    assert not missed, "\n".join(missed)


def test_the_records_numbers_help_out() -> None:
    assert parse_date("n.d.", 1650, 1670) == (1650, 1670, "range")
    assert parse_date(None, 1650, None) == (1650, 1650, "year")
    assert parse_date(None, None, -30) == (-30, -30, "year")
    assert parse_date("1700", 1650, 1670) == (1700, 1700, "year"), "what is written comes first"
    assert parse_date(None, 0, 0) is None
    assert parse_date(None) is None
    assert parse_date("") is None


@pytest.mark.parametrize(
    "written", ["n.d.", "N. D.", "no date", "[not dated]", "Date unknown", "undated", "s.d."]
)
def test_no_date_is_understood(written: str) -> None:
    assert says_unknown(written)
    assert parse_date(written) is None


@pytest.mark.parametrize("written", ["unknown 1850", "1850", "", "posthumous reprint", "n.d.a."])
def test_what_else_is_written_says_more_than_no_date(written: str) -> None:
    assert not says_unknown(written)


@pytest.mark.parametrize(
    ("year", "name"),
    [
        (1890, "19th century"),
        (1900, "19th century"),
        (1901, "20th century"),
        (2001, "21st century"),
        (1101, "12th century"),
        (250, "3rd century"),
        (150, "2nd century"),
        (1, "1st century"),
        (-1, "1st century BCE"),
        (-100, "1st century BCE"),
        (-101, "2nd century BCE"),
        (-1150, "12th century BCE"),
    ],
)
def test_centuries(year: int, name: str) -> None:
    assert century(year) == name


def test_a_span_has_a_middle_and_never_the_year_0() -> None:
    assert Date(1401, 1500, "century").middle == 1450
    assert Date(-1, 1, "range").middle == 1


@settings(deadline=None, derandomize=True)
@given(ANY_DATE, st.none() | st.integers(-4000, 2100), st.none() | st.integers(-4000, 2100))
@example("9" * 5000, None, None)
@example("(" * 5000 + "1850", None, None)
def test_any_text_gives_ordered_years_or_none(written: str, begin: int | None, end: int | None) -> None:
    found = parse_date(written, begin, end)
    assert found == parse_date(written, begin, end)
    if found is not None:
        assert found.earliest <= found.latest <= MAX_YEAR
        assert found.earliest != 0
        assert found.latest != 0
        assert found.middle != 0
        assert found.precision in PRECISIONS
    says_unknown(written)


@settings(deadline=None, derandomize=True)
@given(st.integers(1000, MAX_YEAR), st.integers(0, 99))
def test_a_year_and_a_range_are_read_back(year: int, more: int) -> None:
    last = min(year + more, MAX_YEAR)
    assert parse_date(str(year)) == (year, year, "year")
    assert parse_date(f"{year}–{last}") == (year, last, "range" if last > year else "year")
    assert parse_date(f"c. {year}") == (year, year, "circa")
    assert parse_date(f"{year} BCE") == (-year, -year, "year")
