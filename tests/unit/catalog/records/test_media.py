from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.catalog.records.media import Medium, parse_medium
from pipeline.catalog.records.mediawords import MATERIALS, SUPPORTS
from tests.unit.catalog.records.cases import wrong


def test_media_as_records_write_them() -> None:
    missed, _ = wrong("media_written", parse_medium)
    assert not missed, "\n".join(missed)


def test_nothing_written_is_nothing_known() -> None:
    assert parse_medium(None) == parse_medium("") == Medium(None, None)


def test_every_term_stands_for_itself() -> None:
    assert all(MATERIALS[term] == term for term in MATERIALS.values())
    assert all(SUPPORTS[term] == term for term in SUPPORTS.values())


@settings(deadline=None, derandomize=True)
@given(
    st.one_of(
        st.text(),
        st.lists(
            st.sampled_from(
                [
                    "oil",
                    " on ",
                    "canvas",
                    ", ",
                    "mounted",
                    "gold",
                    "; ",
                    "frame",
                    " verso ",
                    "paper",
                    "transferred to ",
                ]
            )
        ).map("".join),
    )
)
def test_any_text_gives_known_terms(written: str) -> None:
    material, support = found = parse_medium(written)
    assert found == parse_medium(written)
    assert material is None or set(material.split(", ")) <= set(MATERIALS.values())
    assert support is None or support in SUPPORTS.values()
