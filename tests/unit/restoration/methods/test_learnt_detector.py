"""The learnt detector: tiles equal the whole, doubtful patches are left alone, bad models are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.errors import PentimentoError, StepFailed
from pipeline.models.hats import doubled
from pipeline.models.registry import build, save_model
from pipeline.restoration.methods import learnt_detector
from pipeline.restoration.methods.interface import Position
from pipeline.restoration.methods.learnt_detector import LearntDetector, Rule, decide, reduced, reduction

SIZES = {"kinds": ["cracks", "dust"], "widths": [8, 8], "blocks": [1], "dilations": [1]}
RULE = {
    "probable": 0.3,
    "certain": 0.6,
    "core": 1,
    "evidence": 0.0,
    "margin": 0.0,
    "rim": 0,
    "wide": 0,
    "hint": 0.0,
    "once": 1.0,
}


def save(folder, rule=None, architecture="damage_detector", sizes=None):
    torch.manual_seed(0)
    network = build(architecture, sizes or SIZES)
    with torch.no_grad():
        for weights in network.parameters():
            weights.add_(torch.randn_like(weights) * 0.2)
    save_model(folder, network, architecture, sizes or SIZES, {"rule": RULE if rule is None else rule})
    return folder


@pytest.fixture
def detector(tmp_path):
    return LearntDetector(save(tmp_path / "detector"), "torch")


def scene(height=151, width=173, channels=3):
    return np.random.default_rng(0).random((height, width, channels)).astype(np.float32)


def test_tiles_equal_the_whole(detector, monkeypatch):
    pixels = scene()
    place = Position(0, 0, *pixels.shape[:2])
    whole = detector.probability(pixels, place)
    assert whole.shape == pixels.shape[:2] and whole.std() > 0.01
    monkeypatch.setattr(learnt_detector, "_CELL", 40)
    assert np.abs(detector.probability(pixels, place) - whole).max() < 1e-5


def test_a_window_equals_its_part_of_the_whole_wherever_it_begins(detector):
    pixels = scene()
    whole = detector.probability(pixels, Position(0, 0, *pixels.shape[:2]))
    for top, left in ((1, 3), (10, 0), (16, 22)):
        part = detector.probability(pixels[top:140, left:], Position(top, left, *pixels.shape[:2]))
        rows = slice(detector.reach if top else 0, 140 - top - detector.reach)
        columns = slice(detector.reach if left else 0, None)
        assert np.abs(part - whole[top:140, left:])[rows, columns].max() < 1e-5


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_colour_and_ink_are_taken(detector, channels):
    pixels = scene(9, 31, channels)
    mask = detector(pixels, Position(0, 0, 9, 31))
    assert mask.shape == (9, 31) and mask.dtype == np.bool_


def test_ink_and_colour_of_one_look_are_judged_alike(detector):
    colour = scene(40, 40)
    ink = np.concatenate([1 - colour, np.zeros((40, 40, 1), np.float32)], axis=2)
    one, other = (detector.probability(pixels, Position(0, 0, 40, 40)) for pixels in (colour, ink))
    assert np.abs(one - other).max() < 1e-4


def test_what_is_probable_counts_where_it_touches_what_is_certain():
    values = np.zeros((40, 50), np.float32)
    values[5, 5:25] = 0.4  # probable, and certain at one end
    values[5, 20:25] = 0.9
    values[20, 5:25] = 0.4  # probable only
    values[30, 5:7] = 0.9  # certain, but two pixels
    truth = np.zeros_like(values, dtype=bool)
    truth[5, 5:25] = True
    assert np.array_equal(decide(values, Rule(0.3, 0.8, core=3, evidence=0.0)), truth)
    assert decide(values, Rule(0.3, 0.8, core=0, evidence=0.0)).sum() == 22
    assert np.array_equal(decide(values, Rule(0.3, 0.8, core=3, evidence=(5 / 2000) ** 0.5)), truth)
    assert not decide(values, Rule(0.3, 0.8, core=3, evidence=(6 / 2000) ** 0.5)).any()
    assert not decide(np.zeros_like(values), Rule(0.3, 0.8, core=0, evidence=0.0)).any()


def test_many_finds_weigh_more_than_one_that_is_as_large():
    rule = Rule(0.3, 0.8, core=1, evidence=0.2)
    one, many = np.zeros((20, 20), np.float32), np.zeros((20, 20), np.float32)
    one[5, 3:15] = 0.9
    many[5, 3:15:3] = many[8, 3:15:3] = many[11, 3:15:3] = 0.9
    assert not decide(one, rule).any() and np.array_equal(decide(many, rule), many > 0)


def test_a_picture_that_is_looked_at_once_must_give_more_evidence():
    rule = Rule(0.3, 0.8, core=1, evidence=0.05, once=2.0)
    values = np.zeros((20, 20), np.float32)
    values[5, 3:6] = 0.9  # evidence 0.087
    assert decide(values, rule, Position(0, 0, 768, 20)).any()
    assert not decide(values, rule, Position(0, 0, 769, 20)).any()


def test_a_small_picture_is_looked_at_enlarged_too(detector, monkeypatch):
    pixels = scene(64, 72)
    place = Position(0, 0, 64, 72)
    both = detector.probability(pixels, place)
    monkeypatch.setattr(learnt_detector, "SMALL", 71)
    plain = detector.probability(pixels, place)
    large = detector.probability(doubled(pixels), Position(0, 0, 128, 144))
    closer = large.reshape(64, 2, 72, 2).mean(axis=(1, 3))
    assert np.abs(both - (plain + 2 * closer) / 3).max() < 1e-6
    assert np.abs(both - plain).max() > 0.01


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_large_picture_is_looked_at_reduced_whatever_its_windows(detector, monkeypatch, channels):
    monkeypatch.setattr(learnt_detector, "_LARGEST", 80)
    pixels = scene(151, 173, channels)  # twice 80 is less than 173: a quarter
    small, place = reduced(pixels, Position(0, 0, 151, 173), 4)
    assert small.shape == (38, 44, channels) and (place.height, place.width) == (38, 44)
    middle = float(np.median(detector.probability(small, place)))
    detector.rule = Rule(middle, middle, core=1, evidence=0.0)  # no patch hangs on what is far
    whole = detector(pixels, Position(0, 0, 151, 173))
    assert whole.shape == (151, 173) and 0.4 < whole.mean() < 0.6
    assert np.array_equal(whole[::4, ::4], decide(detector.probability(small, place), detector.rule, place))
    context = detector.context(151, 173)
    assert context == 4 * detector.reach + 3
    for top, left in ((0, 0), (3, 30), (10, 1)):
        window = pixels[top:, left:]
        part = detector(window, Position(top, left, *pixels.shape[:2]))
        inner = np.s_[context if top else 0 :, context if left else 0 :]
        assert np.array_equal(part[inner], whole[top:, left:][inner])


def test_only_large_pictures_are_reduced_and_four_times_at_most():
    sizes = {(1536, 1000): 1, (1537, 10): 2, (3072, 3072): 2, (10, 3073): 4, (40000, 40000): 4}
    assert {size: reduction(*size) for size in sizes} == sizes


def test_at_the_edge_of_a_picture_nothing_is_certain_but_damage_may_reach_it():
    values = np.zeros((100, 200), np.float32)
    values[:2] = 0.9  # a frame
    values[0:60, 50:53] = 0.9  # a crack from the edge inwards
    values[20:23, 198:] = 0.9  # a nail of the frame
    rule = Rule(0.3, 0.8, core=1, evidence=0.0, margin=0.03)
    crack_and_frame = decide(values, rule)
    assert crack_and_frame[:60, 50:53].all() and not crack_and_frame[20:23, 198:].any()
    values[:60, 50:53] = 0
    assert not decide(values, rule).any()
    assert decide(values, replace(rule, margin=0.0)).sum() == 400 - 2 * 3 + 2 * 3


def test_a_window_inside_a_picture_has_no_edge():
    values = np.full((10, 10), 0.9, np.float32)
    rule = Rule(0.3, 0.8, core=1, evidence=0.0, margin=0.1)
    assert decide(values, rule, Position(40, 40, 100, 100)).all()
    assert decide(values, rule, Position(5, 40, 100, 100)).all()  # it reaches over the margin
    assert not decide(values, rule, Position(0, 40, 100, 100)).any()
    assert not decide(values, rule, Position(40, 90, 100, 100)).any()


def test_wide_patches_are_grown_where_there_is_a_hint_of_damage():
    values = np.zeros((60, 80), np.float32)
    values[20:40, 0:30] = 0.9  # a loss at the picture's edge
    values[18:42, 30:34] = 0.1  # its blurred outline, to one side
    values[10, 40:80] = 0.9  # a line
    values[9:12, 40:80] = np.maximum(values[9:12, 40:80], 0.1)
    plain = Rule(0.3, 0.8, core=1, evidence=0.0)
    found = decide(values, plain)
    grown = decide(values, replace(plain, rim=2, wide=5, hint=0.05))
    more = grown & ~found
    assert more[24:36, 30:32].all() and not more[:, 32:].any()  # two pixels, and the line has none
    assert not more[:, :30].any()  # without a hint nothing is added
    everywhere = decide(values, replace(plain, rim=2, wide=5, hint=0.0))
    assert everywhere[18:42, 5:25].all() and everywhere[:18].sum() == 40  # the line as it was


def test_it_says_what_it_runs_on(detector):
    assert (
        detector.name == "learnt detector"
        and detector.engine == "torch fp32"
        and detector.libraries == ("torch",)
    )
    assert detector.rule.as_dict() == RULE


@pytest.mark.slow
def test_an_engine_finds_what_torch_finds(detector, tmp_path):
    pixels = scene(40, 60)
    other = LearntDetector(tmp_path / "detector", "onnx", tmp_path / "cache")
    assert (other.reach, other.multiple, other.rule) == (detector.reach, detector.multiple, detector.rule)
    place = Position(0, 0, 40, 60)
    assert np.abs(other.probability(pixels, place) - detector.probability(pixels, place)).max() < 1e-4


@pytest.mark.parametrize("rule", [3, {}, {**RULE, "core": "many"}, {**RULE, "more": 1}])
def test_a_card_without_a_rule_is_refused(tmp_path, rule):
    with pytest.raises(PentimentoError, match="needs the numbers probable, certain, core, evidence"):
        LearntDetector(save(tmp_path / "x", rule), "torch")


@pytest.mark.parametrize("change", [{"probable": 0}, {"certain": 0.2}, {"evidence": -1}])
def test_a_rule_that_makes_no_sense_is_refused(tmp_path, change):
    with pytest.raises(PentimentoError, match="needs 0 < probable <= certain < 1"):
        LearntDetector(save(tmp_path / "x", RULE | change), "torch")


@pytest.mark.parametrize("change", [{"rim": 33}, {"wide": -1}, {"hint": 2}])
def test_a_rim_that_makes_no_sense_is_refused(tmp_path, change):
    with pytest.raises(PentimentoError, match="rim and wide from 0 to 32"):
        LearntDetector(save(tmp_path / "x", RULE | change), "torch")


def test_another_model_is_refused(tmp_path):
    folder = save(tmp_path / "head", architecture="linear_head", sizes={"inputs": 4, "outputs": 2})
    with pytest.raises(PentimentoError, match="linear_head"):
        LearntDetector(folder, "torch")


@pytest.mark.parametrize(
    ("maps", "reason"), [(np.full((1, 2, 8, 8), np.nan), "not finite"), (np.zeros((1, 2, 4, 8)), "shape is")]
)
def test_a_result_that_is_not_sound_is_a_failed_step(detector, monkeypatch, maps, reason):
    monkeypatch.setattr(
        detector, "session", type("Broken", (), {"run": lambda *_: maps.astype(np.float32)})()
    )
    with pytest.raises(StepFailed, match=reason):
        detector(scene(8, 8), Position(0, 0, 8, 8))
