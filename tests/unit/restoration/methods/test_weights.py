"""Models trained here come before those that come with Pentimento."""

import json

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


def test_what_measured_better_comes_first(tmp_path):
    weights = Weights(tmp_path / "models", tmp_path / "pretrained")
    for home in ("models", "pretrained"):
        (tmp_path / home / "detector").mkdir(parents=True)
    steps = tmp_path / "models/steps.json"
    for better, home in (("pretrained", "pretrained"), ("trained", "models")):
        steps.write_text(json.dumps({"detect": {"best": "learnt", "weights": {"detector": better}}}))
        assert weights.find("detector") == tmp_path / home / "detector"
    steps.write_text(json.dumps({"detect": {"best": "learnt"}}))
    assert weights.find("detector") == tmp_path / "models/detector"
    steps.write_text(json.dumps({"detect": {"best": "learnt", "weights": {"detector": "attic"}}}))
    with pytest.raises(
        PentimentoError, match="weights of detector are 'attic'; known are: pretrained, trained"
    ):
        weights.find("detector")
