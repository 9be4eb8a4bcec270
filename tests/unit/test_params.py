from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from pipeline.errors import PentimentoError
from pipeline.params import StageParams, load_params


class Group(StageParams):
    rate: float = Field(gt=0, le=1)


class Model(StageParams):
    side: int = Field(ge=8)
    names: tuple[str, ...]
    schedule: Group


GOOD = "demo:\n  side: 16\n  names: [a, b]\n  schedule: {rate: 0.5}\n"


def load(tmp_path: Path, text: str) -> Model:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    return load_params(file, "demo", Model)


def test_a_good_section_becomes_typed_values(tmp_path: Path) -> None:
    params = load(tmp_path, GOOD)
    assert params.side == 16
    assert params.names == ("a", "b")
    assert params.schedule.rate == 0.5


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("side: 16", "sied: 16", "unknown key 'demo.sied'; did you mean 'demo.side'?"),
        ("rate: 0.5", "rat: 0.5", "unknown key 'demo.schedule.rat'; did you mean 'demo.schedule.rate'?"),
        ("side: 16", "side: 4", "'demo.side' is 4: input should be greater than or equal to 8"),
        ("side: 16", 'side: "16"', "'demo.side' is '16': input should be a valid integer"),
        ("rate: 0.5", "rate: 1.5", "'demo.schedule.rate' is 1.5: input should be less than or equal to 1"),
        ("  side: 16\n", "", "'demo.side' is missing"),
        ("demo:", "dmeo:", "section 'demo' is missing; did you mean 'dmeo'?"),
        ("side: 16", "side: 16\n  side: 17", "line 3"),
        ("[a, b]", "[a, b", "not valid YAML"),
    ],
)
def test_a_fault_is_named_with_what_is_right(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(PentimentoError) as failure:
        load(tmp_path, GOOD.replace(old, new))
    assert message in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(PentimentoError, match=r"params\.yaml is missing"):
        load_params(tmp_path / "params.yaml", "demo", Model)


@given(
    st.text(alphabet="abcdefgh_", min_size=1, max_size=12).filter(lambda key: key not in ("side", "names"))
)
def test_no_unknown_key_is_ever_accepted(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    folder = tmp_path_factory.mktemp("params")
    with pytest.raises(PentimentoError, match="unknown key"):
        load(folder, GOOD + f"  {key}: 1\n")
