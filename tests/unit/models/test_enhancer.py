"""The enhancing networks: nothing added at first, values that depend on what lies near and nothing else."""

import pytest
import torch

from pipeline.models.enhancer import Block, ChannelNorm, Enhancer, Upscaler


def awake(network):
    """What a new network keeps silent, made to speak."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weights in network.parameters():
            if not weights.any():
                weights.normal_(0, 0.2)
    return network.eval()


NETWORKS = {
    "one level": lambda: Enhancer([8], [2]),
    "two levels": lambda: Enhancer([8, 8], [1, 1]),
    "three levels": lambda: Enhancer([4, 8, 8], [1, 0, 1]),
    "x2": lambda: Upscaler(2, 8, 2),
    "x4": lambda: Upscaler(4, 8, 1),
}


def inputs(network, height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    picture = torch.rand(1, 3, height, width, generator=generator)
    if isinstance(network, Upscaler):
        return (picture,)
    return picture, torch.full((1, 1, height, width), 0.1)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_new_network_adds_nothing_and_the_result_has_its_scale(name):
    network = NETWORKS[name]()
    scale = getattr(network, "scale", 1)
    side = 3 * network.multiple
    residual = network(*inputs(network, side, 2 * side))
    assert residual.shape == (1, 3, side * scale, 2 * side * scale)
    assert not residual.any()


@pytest.mark.parametrize("name", NETWORKS)
def test_within_reach_of_the_context_a_tile_is_the_same_as_the_whole(name):
    network = awake(NETWORKS[name]())
    scale, step = getattr(network, "scale", 1), network.multiple
    context = -(-network.reach // step) * step
    side = 2 * context + 6 * step
    given = inputs(network, side, side)
    rows = slice(context, context + 6 * step)
    with torch.no_grad():
        whole = network(*given)
        tile = network(*(values[:, :, rows.start - context : rows.stop + context - step] for values in given))
    inner = slice(rows.start * scale, (rows.stop - step) * scale)
    assert torch.allclose(whole[:, :, inner], tile[:, :, context * scale : -context * scale], atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_reach_is_exact(name):
    network = awake(NETWORKS[name]())
    scale, step = getattr(network, "scale", 1), network.multiple
    side = (2 * (network.reach // step) + 4) * step
    given = inputs(network, side, side)
    found = 0
    # Which pixel of its coarsest cell is changed decides how far the change spreads.
    for place in range(side // 2 // step * step, side // 2 // step * step + step):
        changed = [values.clone() for values in given]
        changed[0][:, :, place, :] += 0.5
        with torch.no_grad():
            differs = (network(*changed) != network(*given)).any(dim=(0, 1, 3)).nonzero().flatten() // scale
        found = max(found, place - int(differs.min()), int(differs.max()) - place)
    assert found == network.reach


def test_the_level_of_noise_is_seen():
    network = awake(Enhancer([8, 8], [1, 1]))
    picture, noise = inputs(network, 8, 8)
    assert (network(picture, noise) != network(picture, 2 * noise)).any()


def test_features_are_normalised_in_each_pixel_by_itself():
    features = torch.randn(2, 16, 5, 7, generator=torch.Generator().manual_seed(0)) * 3 + 1
    normal = ChannelNorm(16)(features)
    assert torch.allclose(normal.mean(1), torch.zeros(2, 5, 7), atol=1e-5)
    assert torch.allclose(normal.var(1, unbiased=False), torch.ones(2, 5, 7), atol=1e-3)
    assert torch.equal(Block(16)(features), features)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Enhancer([8, 8], [1]), "as many widths"),
        (lambda: Enhancer([], []), "one at least"),
        (lambda: Upscaler(3), "scale 2 or 4, not 3"),
    ],
)
def test_sizes_that_make_no_network_are_refused(make, told):
    with pytest.raises(TypeError, match=told):
        make()
