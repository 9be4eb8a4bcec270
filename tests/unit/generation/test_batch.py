"""Folders of generated pictures: the same bytes however they came about; nothing else is touched."""

import json

import numpy as np
import pytest
import torch

from pipeline.errors import PentimentoError
from pipeline.generation import batch
from pipeline.generation.sampling import GROUP, sample
from pipeline.models.gan import Discriminator, Generator
from pipeline.models.generator import load_generator
from pipeline.models.registry import save_model

SIZES = {"latent": 8, "width": 4, "side": 16}


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "generator"
    save_model(folder, Generator(**SIZES), "gan_generator", SIZES, {})
    return folder


def generate(model, out, **request) -> int:
    return batch.generate(load_generator(model), model, out, **request)


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_picture_does_not_depend_on_how_many_are_asked_for(model):
    generator = load_generator(model)
    all_ = sample(generator, 3, 0, 2 * GROUP + 5)
    assert np.array_equal(all_[7:8], sample(generator, 3, 7, 8))
    assert np.array_equal(all_[10:25], sample(generator, 3, 10, 25))
    assert np.array_equal(all_[-1:], sample(generator, 3, 2 * GROUP + 4, 2 * GROUP + 5))
    assert len(sample(generator, 3, 5, 5)) == 0
    assert len(np.unique(all_.reshape(len(all_), -1), axis=0)) == len(all_)


def test_seed_and_truncation_change_the_pictures(model):
    generator = load_generator(model)
    plain = sample(generator, 0, 0, 8)
    assert not np.array_equal(plain, sample(generator, 1, 0, 8))
    assert sample(generator, 0, 0, 8, truncation=0.3).std(axis=0).mean() < plain.std(axis=0).mean()
    average = sample(generator, 0, 0, 8, truncation=0.0)
    assert (average == average[:1]).all()


def test_a_stopped_request_goes_on_to_the_same_bytes(model, tmp_path):
    count = GROUP + 6
    assert generate(model, tmp_path / "whole", count=count, seed=0, truncation=0.8) == count
    out = tmp_path / "stopped"
    generate(model, out, count=count, seed=0, truncation=0.8)
    for name in (batch.GRID, "000003.png", "000017.png", "000021.png"):
        (out / name).unlink()
    (out / ".000003.4194305.partial.png").write_bytes(b"half")
    assert generate(model, out, count=count, seed=0, truncation=0.8) == 3
    assert contents(out) == contents(tmp_path / "whole")


def test_a_larger_request_keeps_the_pictures_of_a_smaller_one(model, tmp_path):
    generate(model, tmp_path, count=3, seed=0, truncation=1.0)
    before = (tmp_path / "000002.png").stat().st_mtime_ns
    assert generate(model, tmp_path, count=5, seed=0, truncation=1.0) == 2
    assert (tmp_path / "000002.png").stat().st_mtime_ns == before


@pytest.mark.parametrize(("seed", "truncation", "named"), [(1, 1.0, "seed"), (0, 0.5, "truncation")])
def test_another_request_is_refused(model, tmp_path, seed, truncation, named):
    generate(model, tmp_path, count=2, seed=0, truncation=1.0)
    before = contents(tmp_path)
    with pytest.raises(PentimentoError, match=named):
        generate(model, tmp_path, count=2, seed=seed, truncation=truncation)
    assert contents(tmp_path) == before


def test_a_folder_of_something_else_is_refused(model, tmp_path):
    (tmp_path / "diary.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(PentimentoError, match="not empty"):
        generate(model, tmp_path, count=2, seed=0, truncation=1.0)
    assert contents(tmp_path) == {"diary.txt": b"mine"}
    with pytest.raises(PentimentoError, match="is a file"):
        generate(model, tmp_path / "diary.txt", count=2, seed=0, truncation=1.0)
    with pytest.raises(PentimentoError, match=r"x cannot be written: .*diary\.txt is a file"):
        generate(model, tmp_path / "diary.txt/a/x", count=2, seed=0, truncation=1.0)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_request_is_said(model, tmp_path, text):
    (tmp_path / batch.REQUEST).write_text(text, encoding="utf-8")
    with pytest.raises(PentimentoError, match="damaged"):
        generate(model, tmp_path, count=2, seed=0, truncation=1.0)


def test_the_request_says_what_made_the_pictures(model, tmp_path):
    generate(model, tmp_path, count=1, seed=5, truncation=0.5)
    found = json.loads((tmp_path / batch.REQUEST).read_text(encoding="utf-8"))
    assert (found["seed"], found["truncation"]) == (5, 0.5)
    assert len(found["model_sha256"]) == 64
    assert "torch" in found["software"]


def test_a_model_of_another_kind_is_refused(tmp_path):
    save_model(
        tmp_path / "m", Discriminator(4, 16, False), "gan_discriminator",
        {"width": 4, "side": 16, "projected": False}, {},
    )  # fmt: skip
    with pytest.raises(PentimentoError, match="not a generator"):
        load_generator(tmp_path / "m")
