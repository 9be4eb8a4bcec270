"""params.yaml changed by a program: comments stay, wrong values are refused, nothing is half-written."""

from pathlib import Path

import pytest

from flows.params_file import overlay, set_values
from pipeline.errors import PentimentoError

WHOLE = (Path(__file__).resolve().parents[2] / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(WHOLE)
    return tmp_path / "params.yaml"


def differing(file: Path) -> dict[str, str]:
    """Old line -> new line, of the lines that changed."""
    pairs = zip(WHOLE.splitlines(), file.read_text().splitlines(), strict=True)
    return {old.strip(): new.strip() for old, new in pairs if old != new}


def test_values_are_written_and_comments_stay(file: Path) -> None:
    methods = {"school": {"method": "picture", "accept": 0.7}, "year": "interpolate"}
    values = {f"clean.missing.{column}": method for column, method in methods.items()}
    changes = set_values(file, values, dry_run=True)
    assert file.read_text() == WHOLE
    assert changes == [
        ("clean.missing.school", "nearest", {"method": "picture", "accept": 0.7}),
        ("clean.missing.year", "nearest", "interpolate"),
    ]
    assert set_values(file, values, dry_run=False) == changes
    new = list(differing(file).values())
    assert new[0].startswith("school: {method: picture, accept: 0.7}") and new[1].startswith(
        "year: interpolate"
    )
    assert all(
        old.partition("# ")[2] == line.partition("# ")[2] != "" for old, line in differing(file).items()
    )
    assert len(new) == 2
    assert set_values(file, values, dry_run=False) == []
    back = {"clean.missing.school": "nearest", "clean.missing.year": "nearest"}
    assert set_values(file, back, dry_run=False)[0][1] == {"method": "picture", "accept": 0.7}
    assert file.read_text().split() == WHOLE.split()
    assert [one.name for one in file.parent.iterdir()] == ["params.yaml"]


def test_an_overlay_keeps_the_other_keys_of_a_group_and_lists_on_one_line(file: Path) -> None:
    values = {"clean": {"missing": {"year": "leave"}}, "prepare": {"split": [0.8, 0.1, 0.1]}}
    changes = overlay(file, values, dry_run=False)
    assert [key for key, _, _ in changes] == ["clean.missing.year", "prepare.split"]
    lines = list(differing(file).values())
    assert len(lines) == 2
    assert any("[0.8, 0.1, 0.1]" in line for line in lines)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"clean.missing.birth": "iterative"}, "unknown key 'clean.missing.birth'"),
        ({"clean.missing.school": "nearst"}, "clean.missing.school"),
        ({"damage.works": 0}, "'damage.works' is 0"),
        ({"damage.wroks": 1}, "unknown key 'damage.wroks'; did you mean 'damage.works'"),
        ({"damgae.works": 1}, "section 'damgae' belongs to no stage"),
    ],
)
def test_a_value_that_no_stage_takes_is_refused(file: Path, values: dict[str, object], message: str) -> None:
    for dry_run in (True, False):
        with pytest.raises(PentimentoError) as failure:
            set_values(file, values, dry_run=dry_run)
        assert message in str(failure.value)
    assert file.read_text() == WHOLE
