from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.catalog.describing import describe
from pipeline.catalog.features import FEATURES, pack, unpack
from tests.conftest import painting

halves = arrays(np.float16, FEATURES, elements=st.floats(-1, 1, width=16))


def test_a_resized_picture_is_nearer_to_itself_than_to_any_other() -> None:
    pictures = [painting(n) for n in range(4)]
    rows = describe([*pictures, pictures[2][::2, ::2]])
    assert rows.shape == (5, FEATURES)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(5), abs=1e-3)
    assert (rows[:4] @ rows[4]).argmax() == 2


def test_a_picture_s_features_do_not_depend_on_its_neighbours() -> None:
    pictures = [painting(n) for n in range(3)]
    assert (describe(pictures)[2] == describe(pictures[2:])[0]).all()
    assert (describe(iter(pictures)) == describe(pictures)).all()


def test_no_pictures_give_no_rows() -> None:
    assert describe([]).shape == (0, FEATURES)


def test_what_is_computed_is_what_is_read_back() -> None:
    row = describe([painting(1)])[0]
    assert (unpack(json.loads(json.dumps(pack(row)))) == row).all()


@given(halves)
def test_packing_keeps_every_half_exactly(row: np.ndarray) -> None:
    text = pack(row.astype(np.float32))
    assert len(text) == 3416
    assert (unpack(text) == row.astype(np.float32)).all()


@pytest.mark.parametrize("text", ["", "not base64!", "AAAA", pack(np.ones(FEATURES + 1, np.float32)), "ü"])
def test_a_damaged_row_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no packed features"):
        unpack(text)
