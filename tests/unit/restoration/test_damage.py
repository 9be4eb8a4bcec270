"""Every layer of damage keeps to the same rules."""

import numpy as np
import pytest

from pipeline.errors import PentimentoError
from pipeline.restoration.damage import KINDS, MASKED, damage


def picture(height=192, width=160, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(0.3, 0.7, (height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_damage_and_another_seed_another(kind):
    clean = picture()
    one, again, other = (damage(clean, [kind], np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(one[0], again[0]) and np.array_equal(one[1], again[1])
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("kind", MASKED)
@pytest.mark.parametrize("seed", range(4))
def test_the_mask_is_exactly_what_changed(kind, seed):
    clean = picture()
    damaged, mask = damage(clean, [kind], np.random.default_rng(seed))
    assert np.array_equal(mask, (damaged != clean).any(axis=2))
    assert 0.001 < mask.mean() < 0.2


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(MASKED)))
def test_maskless_kinds_change_the_whole_picture_and_mark_nothing(kind):
    clean = picture()
    damaged, mask = damage(clean, [kind], np.random.default_rng(0))
    assert not mask.any()
    assert (damaged != clean).any(axis=2).mean() > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_the_picture_given_stays_as_it_is_and_values_stay_in_range(kind):
    clean = picture()
    before = clean.copy()
    damaged, _ = damage(clean, [kind], np.random.default_rng(3))
    assert np.array_equal(clean, before)
    assert damaged.dtype == np.float32 and damaged.min() >= 0 and damaged.max() <= 1


def test_losses_cover_two_to_six_percent():
    shares = [damage(picture(), ["losses"], np.random.default_rng(seed))[1].mean() for seed in range(8)]
    assert min(shares) > 0.015 and max(shares) < 0.065 and max(shares) - min(shares) > 0.005


def test_damage_grows_with_the_picture():
    deepest = []
    for side in (384, 1152):
        from scipy.ndimage import distance_transform_edt

        _, mask = damage(picture(side, side // 2), ["cracks"], np.random.default_rng(5))
        deepest.append(distance_transform_edt(mask).max())
    assert deepest[1] > 1.5 * deepest[0]


def test_several_kinds_add_up():
    clean = picture()
    damaged, mask = damage(clean, ["cracks", "losses"], np.random.default_rng(0))
    _, cracks_only = damage(clean, ["cracks"], np.random.default_rng(0))
    assert mask.sum() > cracks_only.sum() and (mask | ~cracks_only).all()
    assert np.array_equal(damaged[~mask], clean[~mask])


def test_an_unknown_kind_is_refused_by_name():
    with pytest.raises(PentimentoError, match="'mould'; known are: cracks"):
        damage(picture(), ["mould"], np.random.default_rng(0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_tiny_picture_is_no_trouble(kind):
    damaged, mask = damage(picture(9, 70), [kind], np.random.default_rng(0))
    assert damaged.shape == (9, 70, 3) and mask.shape == (9, 70)
