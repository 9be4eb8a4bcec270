from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.dates import century, parse_years

# As written in records of The Met and the Art Institute of Chicago, with what they mean.
CASES = [
    ("1866", (1866, 1866)),
    ("ca. 1490", (1490, 1490)),
    ("c. 1615", (1615, 1615)),
    ("c.1832", (1832, 1832)),
    ("1787–88", (1787, 1788)),
    ("ca. 1512–15", (1512, 1515)),
    ("1885-1890", (1885, 1890)),
    ("1498–1502", (1498, 1502)),
    ("15th century", (1401, 1500)),
    ("early 15th century", (1401, 1434)),
    ("late 14th century", (1367, 1400)),
    ("first half of the 14th century", (1301, 1350)),
    ("third quarter of the 17th century", (1651, 1675)),
    ("possibly 1480s", (1480, 1480)),
    ("n.d.", None),
    ("", None),
    (None, None),
]


@pytest.mark.parametrize(("written", "meant"), CASES)
def test_written_dates(written: str | None, meant: tuple[int, int] | None) -> None:
    found = parse_years(written)
    assert (tuple(found) if found else None) == meant


def test_the_records_numbers_help_out() -> None:
    assert parse_years("n.d.", 1650, 1670) == (1650, 1670)
    assert parse_years(None, 1650, None) == (1650, 1650)
    assert parse_years("1700", 1650, 1670) == (1700, 1700), "what is written comes first"


@pytest.mark.parametrize(
    ("year", "name"),
    [(1890, "19th century"), (1900, "19th century"), (1901, "20th century"), (2001, "21st century"),
     (1101, "12th century"), (250, "3rd century"), (150, "2nd century")],
)  # fmt: skip
def test_centuries(year: int, name: str) -> None:
    assert century(year) == name


@given(st.text(max_size=60))
def test_any_text_gives_ordered_years_or_none(written: str) -> None:
    found = parse_years(written)
    assert found is None or found.earliest <= found.latest
