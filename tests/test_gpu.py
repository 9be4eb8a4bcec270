"""What needs a GPU: training in bf16 goes on where it was, and networks say there what they say on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import paths
from pipeline.models.enhancer import Upscaler
from pipeline.restoration.methods.classical import lanczos
from pipeline.restoration.methods.interface import Position
from pipeline.restoration.methods.learnt_detector import LearntDetector
from pipeline.restoration.methods.learnt_enhancer import LearntUpscaler
from pipeline.restoration.methods.learnt_filler import LearntFiller
from pipeline.training.enhancer import Crops, MendingTask, reduced
from pipeline.training.loop import Trainer, make_fabric
from pipeline.training.task import Schedule

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

PRETRAINED = Path(__file__).resolve().parents[1] / paths.PRETRAINED
SCHEDULE = Schedule(
    epochs=4, batch_size=4, learning_rate=1e-3, cosine=True, ema_decay=0.9, clip_norm=1.0, patience=0, seed=0
)
LARGEST = {"filler": 1 / 64, "upscaler": 1 / 64, "detector": 0.1}  # difference that bf16 may make


def picture(seed: int, side: int = 192) -> np.ndarray:
    """Waves of colour with an edge, 8-bit sRGB."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side] / side
    waves = [np.sin(6.3 * (rng.uniform(1, 6) * rows + rng.uniform(1, 6) * columns)) for _ in range(3)]
    values = 0.5 + 0.3 * np.stack(waves, axis=2) + 0.1 * (rows > columns)[..., None]
    return (values * 255).astype(np.uint8)


class Interrupted(MendingTask):
    """Enlarges small crops; its epoch `stop` never begins."""

    stop = -1

    def batches(self, epoch, rank, processes):
        if epoch == self.stop:
            raise KeyboardInterrupt
        return super().batches(epoch, rank, processes)


def trainer(folder: Path) -> Trainer:
    torch.manual_seed(0)
    pictures = [picture(seed) for seed in range(3)]

    def worsen(truth, rng):
        return reduced(truth, rng, scale=2, enlarge=lanczos)

    task = Interrupted(
        Upscaler(2, 16, 2), inputs=["picture"], train=pictures, validation=pictures, worsen=worsen,
        probes={"x2": worsen}, crops=Crops(side=32, per_epoch=32, validation=2), batch_size=4,
        learning_rate=SCHEDULE.learning_rate, fft_weight=0.05, bf16=True, seed=0,
    )  # fmt: skip
    return Trainer(task, SCHEDULE, folder, make_fabric())


def test_training_interrupted_on_a_gpu_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole")
    whole.fit("gpu")
    assert whole.fabric.device.type == "cuda"
    assert whole.history[-1]["loss"] < whole.history[0]["loss"]
    stopped = trainer(tmp_path / "parts")
    stopped.task.stop = 2  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        stopped.fit("gpu")
    resumed = trainer(tmp_path / "parts")
    resumed.fit("gpu")
    assert len(stopped.history) == 2 and len(resumed.history) == 4
    # cuDNN adds in an order of its own: alike, not equal to the bit.
    assert resumed.history[-1]["loss"] == pytest.approx(whole.history[-1]["loss"], rel=0.02)


def test_batches_made_ahead_by_processes_train_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENTIMENTO_LOADERS", "2")
    running = trainer(tmp_path)
    running.fit("gpu")
    assert running.history[-1]["loss"] < running.history[0]["loss"]


@pytest.mark.parametrize("kind", LARGEST)
def test_a_gpu_gives_what_a_cpu_gives(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = picture(7).astype(np.float32) / np.float32(255)
    mask = np.zeros(pixels.shape[:2], np.bool_)
    mask[40:60, 30:90] = mask[100:104] = True
    found = {}
    for device in ("cpu", "cuda"):
        monkeypatch.setenv("PENTIMENTO_DEVICE", device)
        if kind == "filler":
            found[device] = LearntFiller(PRETRAINED / "restorer", "torch")(pixels, mask)
        elif kind == "detector":
            detector = LearntDetector(PRETRAINED / "detector", "torch")
            found[device] = detector.probability(pixels, Position(0, 0, *pixels.shape[:2]))
        else:
            found[device] = LearntUpscaler(PRETRAINED / "upscaler_x2", "torch")(pixels)
    assert np.abs(found["cuda"] - found["cpu"]).max() < LARGEST[kind]
