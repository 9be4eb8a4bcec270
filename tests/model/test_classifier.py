"""The classifier's networks: what trains, what stays, and what is saved."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import PentimentoError
from pipeline.models.classifier import (
    Classifier,
    assemble,
    best_temperature,
    load_classifier,
    probabilities,
)
from pipeline.models.cnn import PlainCNN
from pipeline.models.lite0 import DESCRIPTION, LinearHead, Lite0, Lite0Classifier, to_input
from pipeline.models.registry import load_model, save_model

CARD = {"classes": {"school": ["a", "b"], "tags": ["t"]}, "side": 32, "temperature": 1.0}


def pictures(count, side=32, seed=0):
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def trunk_features():
    trunk = Lite0().eval()
    with torch.no_grad():
        return trunk(pictures(2)), trunk.describe(pictures(2))


def test_description_begins_with_the_pooled_features(trunk_features):
    features, description = trunk_features
    assert description.shape == (2, DESCRIPTION)
    torch.testing.assert_close(description[:, :1280], features)
    assert (description[:, 1280 + 40 : 1280 + 80] > 0).all()  # a standard deviation


@pytest.mark.parametrize("frozen", [True, False])
def test_gradients_flow_only_where_they_should(frozen):
    torch.manual_seed(0)
    network = Lite0Classifier(3, frozen=frozen).train()
    before = {name: b.clone() for name, b in network.backbone.named_buffers()}
    network(pictures(2)).square().sum().backward()
    assert network.head.linear.weight.grad.abs().sum() > 0
    gradients = [p.grad for p in network.backbone.parameters()]
    if frozen:
        assert all(gradient is None for gradient in gradients)
    else:
        assert sum(g is not None and bool(g.abs().sum() > 0) for g in gradients) > 100
    assert any("running_mean" in name for name in before)
    for name, buffer in network.backbone.named_buffers():
        assert torch.equal(buffer, before[name]), name  # BatchNorm keeps ImageNet's statistics


def test_frozen_trunk_has_no_drop_connect():
    network = Lite0Classifier(3, frozen=True).train()
    with torch.no_grad():
        assert torch.equal(network(pictures(2)), network(pictures(2)))


@pytest.mark.parametrize("side", [8, 32, 50])
def test_cnn_takes_any_side_and_all_of_it_trains(side):
    torch.manual_seed(0)
    network = PlainCNN(5)
    logits = network(pictures(3, side))
    assert logits.shape == (3, 5)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_cnn_learns_a_few_pictures_by_heart():
    torch.manual_seed(0)
    network, x, y = PlainCNN(4, width=8, dropout=0.0), pictures(8, 16), torch.arange(8) % 4
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
    assert loss < 0.05
    assert (network.eval()(x).argmax(1) == y).all()


@pytest.mark.parametrize(
    ("architecture", "network", "arguments"),
    [
        ("cnn", PlainCNN, {"outputs": 3, "width": 4, "dropout": 0.1}),
        ("linear_head", LinearHead, {"inputs": DESCRIPTION, "outputs": 3}),
        ("lite0", Lite0Classifier, {"outputs": 3}),
    ],
)
def test_a_saved_classifier_is_bit_equal(tmp_path, architecture, network, arguments):
    torch.manual_seed(1)
    made = network(**arguments).eval()
    save_model(tmp_path, made, architecture, arguments, CARD)
    loaded, card = load_model(tmp_path)
    for (name, one), (other, two) in zip(made.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(one, two), name
    assert card["classes"] == CARD["classes"]
    picture = (np.random.default_rng(0).random((40, 50, 3)) * 255).astype(np.uint8)
    expected = Classifier(assemble(made), CARD).predict([picture])
    got = load_classifier(tmp_path).predict([picture])
    assert all(np.array_equal(a, b) for a, b in zip(expected, got, strict=True))
    small = (tmp_path / "weights.safetensors").stat().st_size
    assert (small < 1_000_000) == (architecture != "lite0")  # a frozen trunk is not stored again


def test_a_picture_does_not_depend_on_its_neighbours_nor_its_mirror():
    network = Classifier(PlainCNN(3).eval(), CARD)
    rng = np.random.default_rng(0)
    first, second = ((rng.random((20, 30, 3)) * 255).astype(np.uint8) for _ in range(2))
    assert np.array_equal(network.logits([first, second])[0], network.logits([first])[0])
    np.testing.assert_allclose(network.logits([first]), network.logits([first[:, ::-1]]), atol=1e-5)
    assert network.logits([]).shape == (0, 3)


def test_another_model_is_no_classifier(tmp_path):
    save_model(tmp_path, PlainCNN(3, 4), "cnn", {"outputs": 3, "width": 4}, {"side": 32})
    with pytest.raises(PentimentoError, match="classes, temperature missing"):
        load_classifier(tmp_path)


def test_probabilities_and_temperature():
    school, tags = probabilities(np.array([[0.0, np.log(3), 0.0]]), 2)
    np.testing.assert_allclose(school, [[0.25, 0.75]])
    np.testing.assert_allclose(tags, [[0.5]])
    flat, _ = probabilities(np.array([[0.0, np.log(3)]]), 2, temperature=1e9)
    np.testing.assert_allclose(flat, [[0.5, 0.5]], atol=1e-6)
    # Logits drawn for a truth that is right three times of four: ln 3 apart is calibrated.
    truth = np.array([0, 0, 0, 1])
    overconfident = np.tile([4 * np.log(3), 0.0], (4, 1))
    assert best_temperature(overconfident, truth) == pytest.approx(4, rel=0.03)
    assert best_temperature(np.zeros((0, 2)), np.zeros(0, np.int64)) == 1.0


def test_read_only_pictures_are_taken():
    picture = np.full((10, 20, 3), 255, np.uint8)
    picture.flags.writeable = False
    torch.testing.assert_close(to_input(picture, 8), torch.ones(3, 8, 8))
