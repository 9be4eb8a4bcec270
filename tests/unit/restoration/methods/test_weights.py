"""Models trained here come before those that come with Pentimento."""

import pytest

from pipeline.errors import PentimentoError
from pipeline.restoration.methods.weights import Weights


def test_what_was_trained_here_comes_first(tmp_path):
    weights = Weights(tmp_path / "models", tmp_path / "pretrained")
    (tmp_path / "pretrained/detector").mkdir(parents=True)
    assert weights.find("detector") == tmp_path / "pretrained/detector"
    (tmp_path / "models/detector").mkdir(parents=True)
    assert weights.find("detector") == tmp_path / "models/detector"
    with pytest.raises(PentimentoError, match=r"there is no enhancer in .*models or .*pretrained"):
        weights.find("enhancer")
