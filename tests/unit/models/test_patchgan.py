"""The patch discriminator: what a score sees, which patches touch holes, and that it can learn to tell."""

import pytest
import torch

from pipeline.models.patchgan import PatchDiscriminator


def inputs(side=64, seed=0, count=2):
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(count, 3, side, side, generator=generator)
    return normal, (torch.rand(count, 1, side, side, generator=generator) < 0.2).float()


def network(**arguments):
    torch.manual_seed(0)
    return PatchDiscriminator(**{"width": 4, **arguments})


def test_there_is_a_score_for_every_patch_and_the_smallest_crop_has_some():
    discriminator = network()
    for side, patches in ((64, 6), (32, 2), (128, 14)):
        normal, mask = inputs(side)
        assert discriminator(normal, mask).shape == (2, 1, patches, patches)
        assert discriminator.share(mask).shape == (2, 1, patches, patches)


@pytest.mark.parametrize(("levels", "side"), [(3, 70), (2, 34), (1, 16)])
def test_a_patch_is_as_large_as_it_says_and_has_its_share_of_the_holes_that_it_sees(levels, side):
    discriminator = network(levels=levels).double().eval()
    normal = torch.randn(1, 3, 192, 192, dtype=torch.float64, requires_grad=True)
    scores = discriminator(normal, torch.zeros(1, 1, 192, 192, dtype=torch.float64))
    middle = scores.shape[2] // 2
    scores[0, 0, middle, middle].backward()
    seen = normal.grad.abs().sum(1)[0] > 0
    rows, columns = torch.nonzero(seen).unbind(1)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == side
    for row, column in (
        (rows.min(), columns.max()),
        (rows.min() - 1, columns.max()),
        (rows[0], rows.max() + 1),
    ):
        mask = torch.zeros(1, 1, 192, 192)
        mask[0, 0, row, column] = 1
        assert (discriminator.share(mask)[0, 0, middle, middle] > 0) == seen[row, column]
    whole = discriminator.share(torch.ones(1, 1, 192, 192))
    assert whole[0, 0, middle, middle] == 1 and whole.max() <= 1


def test_picture_and_mask_both_count_and_neighbours_in_the_batch_do_not():
    discriminator = network().eval()
    normal, mask = inputs()
    scores = discriminator(normal, mask)
    assert not torch.equal(discriminator(normal, 1 - mask), scores)
    assert not torch.equal(discriminator(normal.flip(3), mask), scores)
    assert torch.allclose(discriminator(normal[:1], mask[:1]), scores[:1], atol=1e-6)


def test_no_layer_stretches_beyond_a_spectral_norm_of_one():
    discriminator = network()
    normal, mask = inputs()
    with torch.no_grad():
        for layer in discriminator.layers:
            layer.parametrizations.weight.original.mul_(50)
    for _ in range(30):  # each call in training brings the estimate nearer
        discriminator(normal, mask)
    for layer in discriminator.eval().layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)


def test_it_learns_to_tell_grain_from_smoothness():
    discriminator = network(width=8)
    real, mask = inputs()
    fake = torch.where(mask > 0, torch.zeros_like(real), real)
    optimizer = torch.optim.Adam(discriminator.parameters(), 0.002, (0.0, 0.99))
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        scores = discriminator(torch.cat([real, fake]), torch.cat([mask, mask])).chunk(2)
        loss = torch.relu(1 - scores[0]).mean() + torch.relu(1 + scores[1]).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    assert scores[0].mean() > scores[1].mean()
