"""The GAN: shapes, which network each phase touches, the gradient penalty, exact resume."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.models.gan import Discriminator, Generator, Projection, latents, to_pixels
from pipeline.training import gan
from pipeline.training.loop import Trainer, make_fabric
from pipeline.training.squares import views
from pipeline.training.task import Schedule

SIDE, LATENT, WIDTH = 16, 8, 4


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch):
    monkeypatch.setenv("PENTIMENTO_DEVICE", "cpu")


def settings(**changes) -> gan.GanAdversarial:
    values = {"discriminator_rate": 1e-3, "augment": 1.0, "r1_weight": 1.0, "r1_every": 2}
    return gan.GanAdversarial(**values | {"grid_every": 1, "precision": "fp32"} | changes)


def task(folder, projected=False, **changes) -> gan.GANTask:
    torch.manual_seed(0)
    side = 32 if projected else SIDE  # Lite0 takes no less
    pictures = np.random.default_rng(0).integers(0, 256, (8, side, side, 3), dtype=np.uint8)
    return gan.GANTask(
        pictures,
        Generator(LATENT, WIDTH, side),
        Discriminator(WIDTH, side, projected),
        settings(**changes),
        learning_rate=1e-3,
        batch_size=4,
        seed=0,
        grids=folder / "samples",
    )


def fit(folder, epochs: int) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    schedule = Schedule(
        epochs=epochs,
        batch_size=4,
        learning_rate=1e-3,
        cosine=False,
        ema_decay=0.9,
        clip_norm=0.0,
        patience=0,
        seed=0,
    )
    trainer = Trainer(task(folder), schedule, folder, make_fabric())
    return trainer.fit("test").state_dict(), trainer.history


@pytest.mark.parametrize(("width", "side"), [(4, 16), (8, 32), (2, 64)])
def test_shapes_and_ranges(width, side):
    pictures = Generator(LATENT, width, side)(torch.randn(3, LATENT))
    assert pictures.shape == (3, 3, side, side)
    assert pictures.abs().max() <= 1
    assert Discriminator(width, side, projected=False)(pictures).shape == (3, 1)


def test_a_new_generator_is_neither_flat_nor_saturated():
    torch.manual_seed(0)
    pictures = Generator(128, 16, 64)(torch.randn(16, 128))
    assert 0.1 < pictures.std() < 0.9
    assert pictures.std(dim=0).mean() > 0.05  # the latent vector matters


def test_side_must_be_a_power_of_two():
    with pytest.raises(ValueError, match="power of two"):
        Generator(side=48)


def test_projection_passes_gradients_to_pictures_and_has_no_parameter_to_train():
    projection = Projection()
    assert not projection.train().training
    assert not projection.trunk.training
    pictures = torch.rand(2, 3, 32, 32).requires_grad_()
    maps = projection(pictures)
    assert [m.shape[1] for m in maps] == [64, 64, 64]
    sum(m.sum() for m in maps).backward()
    assert (pictures.grad != 0).any()
    assert all(p.grad is None and not p.requires_grad for p in projection.parameters())
    scores = Discriminator(WIDTH, 32, projected=True)(pictures, *maps)
    assert scores.shape == (2, 4)


def test_parts_of_a_batch_are_scored_as_if_alone():
    torch.manual_seed(0)
    discriminator = Discriminator(WIDTH, SIDE, projected=False)
    real, fake = torch.rand(4, 3, SIDE, SIDE), torch.rand(4, 3, SIDE, SIDE) * 0.1
    together = discriminator(torch.cat([real, fake]), parts=2)
    alone = torch.cat([discriminator(real), discriminator(fake)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert not torch.allclose(discriminator(torch.cat([real, fake])), alone, atol=1e-5)


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize(("phase", "other"), [("discriminator", "generator"), ("generator", "discriminator")])
def test_a_phase_gives_gradients_to_its_network_only(tmp_path, phase, other, projected):
    subject = task(tmp_path, projected=projected)
    batch = next(iter(subject.batches(0, 0, 1)))
    loss, row = subject.loss(phase, batch, subject.networks)
    loss.backward()
    assert all(p.grad is None for p in subject.networks[other].parameters())
    own = list(subject.networks[phase].parameters())
    assert all(p.grad is not None for p in own)
    assert any((p.grad != 0).any() for p in own)
    assert all(p.requires_grad for net in subject.networks.values() for p in net.parameters())
    assert all(np.isfinite(value) for value in row.values())


def test_the_other_network_is_never_called_through_the_loops_wrapper(tmp_path):
    subject = task(tmp_path)

    class Refuses(nn.Module):
        def forward(self, *_: torch.Tensor) -> torch.Tensor:
            raise AssertionError("a wrapped network that is not trained in this phase was called")

    batch = next(iter(subject.batches(0, 0, 1)))
    for phase, other in (("discriminator", "generator"), ("generator", "discriminator")):
        subject.loss(phase, batch, subject.networks | {other: Refuses()})


def test_gradient_penalty_of_a_linear_discriminator_is_its_squared_weight():
    weight = torch.tensor([[1.0, -2.0, 0.5]], requires_grad=True)

    class Linear(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ weight.T

    penalty = gan.gradient_penalty(Linear(), [torch.randn(7, 3)])
    assert penalty.item() == pytest.approx(1 + 4 + 0.25)
    penalty.backward()
    assert torch.allclose(weight.grad, 2 * weight)


def test_penalty_is_asked_for_every_few_steps(tmp_path):
    flags = [bool(b["penalise"][0]) for b in task(tmp_path, r1_every=2).batches(0, 0, 1)]
    assert flags == [True, False]
    assert not any(b["penalise"].any() for b in task(tmp_path, r1_weight=0.0).batches(0, 0, 1))


def test_two_processes_share_an_epoch(tmp_path):
    subject = task(tmp_path)
    parts = [list(subject.batches(3, rank, 2)) for rank in (0, 1)]
    assert len(parts[0]) == len(parts[1]) == len(list(subject.batches(3, 0, 1)))
    assert all(len(batch["real"]) == 2 for part in parts for batch in part)
    rows = torch.cat([batch["z_generator"] for part in parts for batch in part])
    assert len(rows.unique(dim=0)) == len(rows)
    seen = torch.cat([b["real"] for part in parts for b in part]).flatten(1).sum(1)
    whole = torch.cat([b["real"] for b in subject.batches(3, 0, 1)]).flatten(1).sum(1)
    assert torch.allclose(seen.sort().values, whole.sort().values)


def test_batches_are_a_function_of_the_epoch(tmp_path):
    first, again = (list(task(tmp_path).batches(2, 0, 1)) for _ in range(2))
    assert all(torch.equal(a[k], b[k]) for a, b in zip(first, again, strict=True) for k in a)
    other = list(task(tmp_path).batches(3, 0, 1))
    assert not torch.equal(first[0]["z_generator"], other[0]["z_generator"])


def test_resume_is_exact_and_keeps_every_grid(tmp_path):
    whole, history = fit(tmp_path / "whole", 3)
    fit(tmp_path / "parts", 1)
    parts, resumed = fit(tmp_path / "parts", 3)
    assert history == resumed
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    names = [f"samples-{epoch:04d}.png" for epoch in (1, 2, 3)]
    for name in names:
        path = tmp_path / "parts" / "samples" / name
        assert path.read_bytes() == (tmp_path / "whole" / "samples" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "parts" / "samples").iterdir()) == names


def test_training_moves_the_average_towards_the_pictures(tmp_path):
    before = task(tmp_path).networks["generator"].state_dict()
    after, history = fit(tmp_path, 2)
    assert any(not torch.equal(before[name], after[name]) for name in after)
    assert {"d_loss", "g_loss", "d_real", "d_fake"} <= set(history[0])


def test_views_start_with_the_central_square_and_have_one_size():
    picture = np.zeros((60, 30, 3), np.uint8)
    picture[15:45] = 200
    found = views(picture, 16, 5, np.random.default_rng(0))
    assert all(view.shape == (16, 16, 3) and view.dtype == np.uint8 for view in found)
    assert (found[0] == 200).all()
    assert any(not np.array_equal(found[0], view) for view in found[1:])


@pytest.mark.parametrize("shape", [(8, 300, 3), (300, 8, 3), (1, 1, 3)])
def test_views_of_extreme_shapes(shape):
    found = views(np.full(shape, 7, np.uint8), 16, 3, np.random.default_rng(0))
    assert all((view == 7).all() for view in found)


def test_tensors_and_pixels_are_inverse():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    assert np.array_equal(to_pixels(gan.to_tensor(pixels)), pixels)


def test_latents_depend_on_seed_and_index_only():
    assert torch.equal(latents(1, 0, 10, 6)[4:7], latents(1, 4, 7, 6))
    assert not torch.equal(latents(1, 0, 2, 6), latents(2, 0, 2, 6))
