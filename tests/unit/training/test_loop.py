"""The shared training loop, on a network of one weight matrix."""

import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from pipeline.errors import PentimentoError
from pipeline.training import loop
from pipeline.training.loop import CHECKPOINT, Trainer, make_fabric
from pipeline.training.task import Schedule


def schedule(**changes):
    given = {
        "epochs": 4, "batch_size": 4, "learning_rate": 0.05, "cosine": True, "ema_decay": 0.5,
        "clip_norm": 1.0, "patience": 0, "seed": 3,
    }  # fmt: skip
    return Schedule(**(given | changes))


class LineTask:
    """Fits y = x·w; dropout makes the random numbers count."""

    averaged = "line"
    monitor = ("val_loss", False)

    def __init__(self, given, figures=None, poison=None):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.networks = {"line": network}
        self.given, self.figures, self.poison = given, figures, poison
        self.phases = [("fit", "line", torch.optim.Adam(network.parameters(), given.learning_rate))]
        self.seen = []

    def batches(self, epoch, rank, processes):
        self.seen.append(epoch)
        generator = torch.Generator().manual_seed(epoch)
        rows = torch.randn(16, 3, generator=generator)[rank::processes]
        for x in rows.split(self.given.batch_size):
            yield {"x": x, "y": x.sum(1, keepdim=True)}

    def loss(self, phase, batch, networks):
        loss = (networks["line"](batch["x"]) - batch["y"]).square().mean()
        if self.poison == self.seen[-1]:
            loss = loss * float("nan")
        return loss, {"loss": float(loss.detach())}

    def validate(self, network, epoch):
        assert not network.training
        if self.figures:
            return {"val_loss": self.figures[epoch]}
        x = torch.eye(3)
        return {"val_loss": float((network(x) - 1).square().mean())}


def train(folder, given, **options):
    task = LineTask(given, **options)
    trainer = Trainer(task, given, folder, make_fabric())
    return trainer.fit("test"), trainer, task


def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_resumed_training_is_bit_equal_to_undisturbed(tmp_path):
    whole, undisturbed, _ = train(tmp_path / "whole", schedule())

    class Killed(Exception):
        pass

    class KilledTask(LineTask):
        def batches(self, epoch, rank, processes):
            for number, batch in enumerate(super().batches(epoch, rank, processes)):
                if (epoch, number) == (2, 1):
                    raise Killed
                yield batch

    with pytest.raises(Killed):
        Trainer(KilledTask(schedule()), schedule(), tmp_path / "cut", make_fabric()).fit("test")
    resumed, trainer, task = train(tmp_path / "cut", schedule())
    assert task.seen == [2, 3]
    assert same(whole, resumed)
    assert trainer.history == undisturbed.history
    again, _, task = train(tmp_path / "cut", schedule())
    assert task.seen == []
    assert same(whole, again)


def test_seed_and_learning_rate_matter(tmp_path):
    first, _, _ = train(tmp_path / "a", schedule())
    assert same(first, train(tmp_path / "b", schedule())[0])
    assert not same(first, train(tmp_path / "c", schedule(seed=4))[0])


def test_best_epoch_is_kept_and_waiting_ends(tmp_path):
    figures = [3.0, 1.0, 2.0, 2.5, 0.0, 0.0]
    network, trainer, task = train(tmp_path / "a", schedule(epochs=6, patience=2), figures=figures)
    assert task.seen == [0, 1, 2, 3]
    assert trainer.best["epoch"] == 1
    # The cosine depends on the number of epochs, so the same six are asked for and cut after two.
    two = LineTask(schedule(), figures=figures)
    shorter = Trainer(two, schedule(epochs=6), tmp_path / "b", make_fabric())
    shorter._exhausted = lambda: shorter.epoch == 2
    assert same(network, shorter.fit("test"))


def test_average_follows_its_decay(tmp_path):
    given = schedule(epochs=1, batch_size=8, ema_decay=0.75)
    task = LineTask(given)
    trainer = Trainer(task, given, tmp_path, make_fabric())
    states = []
    update = trainer.average.update_parameters
    trainer.average.update_parameters = lambda network: (
        update(network), states.append(network[0].weight.detach().clone())
    )  # fmt: skip
    trainer.fit("test")
    expected = 0.75 * states[0] + 0.25 * states[1]
    assert len(states) == 2
    torch.testing.assert_close(trainer.average.module[0].weight, expected)


def test_diverging_loss_says_what_to_do_and_keeps_the_checkpoint(tmp_path):
    with pytest.raises(PentimentoError, match=r"loss is not finite at epoch 3, step 1; lower"):
        train(tmp_path, schedule(), poison=2)
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert kept["epoch"] == 2


def test_no_batches_is_an_error(tmp_path):
    task = LineTask(schedule())
    task.batches = lambda *_: iter(())
    with pytest.raises(PentimentoError, match="no batch"):
        Trainer(task, schedule(), tmp_path, make_fabric()).fit("test")


def test_out_of_memory_halves_the_batch_until_it_fits(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(loop, "say", said.append)
    sizes = []

    class Hungry(LineTask):
        def loss(self, phase, batch, networks):
            if len(batch["x"]) > 2:
                raise torch.OutOfMemoryError("out of memory")
            sizes.append(len(batch["x"]))
            return super().loss(phase, batch, networks)

    given = schedule(batch_size=8, epochs=1)
    task = Hungry(given)
    Trainer(task, given, tmp_path, make_fabric()).fit("test")
    assert sizes == [2] * 8
    assert [line for line in said if "micro" in line] == [
        "out of memory: going on with 2 micro-batches per update",
        "out of memory: going on with 4 micro-batches per update",
    ]


def test_micro_batches_give_the_same_gradient(tmp_path):
    weights = []
    for parts in (1, 4):
        given = schedule(batch_size=6, clip_norm=0.0)
        task = LineTask(given)
        task.networks["line"][1].p = 0.0
        trainer = Trainer(task, given, tmp_path / str(parts), make_fabric())
        trainer._parts = parts
        weights.append(trainer.fit("test")[0].weight)
    torch.testing.assert_close(weights[0], weights[1])


def test_memory_that_never_suffices_is_raised(tmp_path):
    task = LineTask(schedule())

    def loss(*_):
        raise torch.OutOfMemoryError("out of memory")

    task.loss = loss
    with pytest.raises(torch.OutOfMemoryError):
        Trainer(task, schedule(), tmp_path, make_fabric()).fit("test")


TWO_PROCESSES = """
import importlib.util, sys
import torch
spec = importlib.util.spec_from_file_location("loop_test", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from pathlib import Path
fabric = module.make_fabric(devices=2)

class Odd(module.LineTask):
    def validate(self, network, epoch):
        # Processes that judged for themselves would disagree on the best epoch and on stopping.
        return {"val_loss": float(epoch if fabric.global_rank else -epoch)}

given = module.schedule(epochs=3, patience=1)
task = Odd(given)
if fabric.global_rank:  # the first process's weights are every process's
    with torch.no_grad():
        for weight in task.networks["line"].parameters():
            weight.add_(1)
trainer = module.Trainer(task, given, Path(sys.argv[2]) / "checkpoints", fabric)
trainer._parts = 1 + fabric.global_rank
network = trainer.fit("two")
torch.save({"weights": network.state_dict(), "live": task.networks["line"].state_dict(),
            "history": trainer.history, "best": trainer.best["epoch"]},
           Path(sys.argv[2]) / f"rank{fabric.global_rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_hold_the_same_weights(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(textwrap.dedent(TWO_PROCESSES))
    done = subprocess.run(
        [sys.executable, str(script), __file__, str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (torch.load(tmp_path / f"rank{n}.pt", weights_only=True) for n in (0, 1))
    assert first["history"] == second["history"]
    assert len(first["history"]) == 3
    assert first["best"] == second["best"] == 2
    for kind in ("weights", "live"):
        for name, weight in first[kind].items():
            assert torch.equal(weight, second[kind][name]), (kind, name)
    assert done.stderr.count("two: epoch 1/3") == 1
