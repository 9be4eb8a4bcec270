"""Every layer of damage keeps to the same rules."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt

from pipeline.damage import KINDS, MASKED, WHOLE, UserMasks, age, damage
from pipeline.damage.sheet import damage_sheet
from pipeline.damage.texture import bezier
from pipeline.errors import PentimentoError


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


@pytest.mark.parametrize("kind", WHOLE)
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
    for side in (256, 768):
        masks = [damage(picture(side, side // 2), ["cracks"], np.random.default_rng(s))[1] for s in range(4)]
        deepest.append(np.mean([distance_transform_edt(mask).max() for mask in masks]))
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_black_picture_is_no_trouble(kind):
    damaged, mask = damage(np.zeros((64, 48, 3), np.float32), [kind], np.random.default_rng(0))
    assert np.isfinite(damaged).all() and mask.shape == (64, 48)


def test_varnish_takes_blue_away_and_lifts_black():
    for seed in range(6):
        damaged, _ = damage(np.full((32, 32, 3), 0.6, np.float32), ["varnish"], np.random.default_rng(seed))
        red, green, blue = damaged.mean((0, 1))
        assert blue < green < red
        black, _ = damage(np.zeros((32, 32, 3), np.float32), ["varnish"], np.random.default_rng(seed))
        assert black.mean() > 0.03


def test_fading_takes_contrast_away():
    ramp = np.linspace(0, 1, 64, dtype=np.float32)[:, None, None] * np.ones((1, 8, 3), np.float32)
    for seed in range(6):
        damaged, _ = damage(ramp, ["fading"], np.random.default_rng(seed))
        assert np.ptp(damaged) < 0.97


def test_age_is_a_function_of_the_generator_and_leaves_its_picture_alone():
    clean = picture()
    before = clean.copy()
    one, again = (age(clean, np.random.default_rng(5), kinds=tuple(KINDS)) for _ in range(2))
    assert np.array_equal(clean, before)
    assert np.array_equal(one.pixels, again.pixels) and one.layers == again.layers


def test_age_draws_each_kind_once_in_any_order_up_to_the_most():
    orders = {
        age(picture(48, 40), np.random.default_rng(s), kinds=("noise", "blur"), identity=0).layers
        for s in range(30)
    }
    assert orders == {("noise",), ("blur",), ("noise", "blur"), ("blur", "noise")}
    assert all(
        len(age(picture(48, 40), np.random.default_rng(s), kinds=WHOLE, most=2).layers) <= 2 for s in range(9)
    )


def test_the_share_of_identity_pairs_is_what_was_asked_for():
    aged = [
        age(picture(24, 24), np.random.default_rng(s), kinds=("noise",), identity=0.3) for s in range(200)
    ]
    kept = [one for one in aged if one.layers == ()]
    assert 0.2 < len(kept) / 200 < 0.4
    assert all(not one.mask.any() and np.array_equal(one.pixels, picture(24, 24)) for one in kept)


def test_the_masks_of_kinds_add_up_and_what_a_loss_hides_is_no_longer_a_crack():
    seen = 0
    for seed in range(40):
        aged = age(picture(), np.random.default_rng(seed), kinds=("cracks", "losses"), most=2, identity=0)
        assert set(aged.masks) == set(aged.layers)
        assert np.array_equal(aged.mask, np.logical_or.reduce(list(aged.masks.values())))
        if aged.layers == ("cracks", "losses"):
            seen += 1
            assert not (aged.masks["cracks"] & aged.masks["losses"]).any()
    assert seen


def test_age_with_nothing_to_draw_or_an_unknown_kind_is_refused():
    with pytest.raises(PentimentoError, match="no kind to draw"):
        age(picture(24, 24), np.random.default_rng(0), kinds=())
    with pytest.raises(PentimentoError, match="'mould'"):
        age(picture(24, 24), np.random.default_rng(0), kinds=("mould",))


def write_mask(path, height=40, width=60):
    mask = np.zeros((height, width), np.uint8)
    mask[height // 2, 2:-2] = 255
    Image.fromarray(mask).save(path)


@pytest.mark.parametrize("size", [(20, 16), (400, 300)])
def test_masks_of_users_become_one_more_layer(tmp_path, size):
    (tmp_path / "inner").mkdir()
    write_mask(tmp_path / "inner" / "crack.png", *size)
    masks = UserMasks(tmp_path)
    assert len(masks) == 1
    for seed in range(6):
        aged = age(picture(96, 80), np.random.default_rng(seed), kinds=(), identity=0, masks=masks)
        assert aged.layers == ("own",)
        assert 0 < aged.masks["own"].mean() < 0.2
        assert np.array_equal(aged.mask, (aged.pixels != picture(96, 80)).any(axis=2))


def test_a_folder_without_masks_is_refused_with_the_reason(tmp_path):
    with pytest.raises(PentimentoError, match="there is no folder"):
        UserMasks(tmp_path / "nowhere")
    with pytest.raises(PentimentoError, match="holds no picture"):
        UserMasks(tmp_path)


def test_a_bad_mask_is_refused_by_name(tmp_path):
    for name in ("black", "small", "broken"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(tmp_path / "black" / "a.png")
    with pytest.raises(PentimentoError, match=r"a\.png is black all over"):
        UserMasks(tmp_path / "black")
    write_mask(tmp_path / "small" / "b.png", 12, 40)
    with pytest.raises(PentimentoError, match=r"b\.png has 40 x 12 pixels; it needs 16"):
        UserMasks(tmp_path / "small")
    (tmp_path / "broken" / "c.png").write_bytes(b"no picture")
    with pytest.raises(PentimentoError, match=r"c\.png is not a readable image"):
        UserMasks(tmp_path / "broken")


def test_a_bezier_curve_runs_from_its_first_to_its_last_point():
    points = np.array([[0.0, 0.0], [2.0, 4.0], [4.0, 0.0]])
    curve = bezier(points, 3)
    assert np.allclose(curve, [[0, 0], [2, 2], [4, 0]])


def test_the_sheet_has_a_row_for_every_kind_and_the_same_seed_draws_it_again(tmp_path):
    pictures = [np.round(picture(40, 30, seed) * 255).astype(np.uint8) for seed in range(2)]
    for name in ("a.png", "b.png"):
        damage_sheet(tmp_path / name, pictures, seed=1)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.height > (len(KINDS) + 1) * 240
