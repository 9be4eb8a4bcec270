"""The one training loop: epochs of batches of alternating updates, on Lightning Fabric.

What a batch and a loss are comes from a `Task`. The loop brings the device, precision, processes,
gradient clipping, the moving average of weights (EMA), early stopping, checkpoints with exact
resume, out-of-memory back-off, and the stop on a diverging loss.

Exact resume needs no saved sampler: every epoch's batches and random numbers are a function of
(seed, epoch), and a checkpoint is written after whole epochs.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from pipeline import environment
from pipeline.archive.atomic import atomic_path
from pipeline.errors import PentimentoError
from pipeline.progress import say, track
from pipeline.training.ahead import ahead
from pipeline.training.task import Batch, Row, Schedule, Task

CHECKPOINT = "last.ckpt"


def make_fabric(devices: int | None = None) -> Fabric:
    """The devices to train on: GPUs in bf16 when there are some, else the CPU in full precision.

    With several devices Lightning starts this very command again for each of the others, and all run the
    same code: see `first_only`.

    Args:
        devices: how many; None: PENTIMENTO_DEVICES.

    Raises:
        PentimentoError: when the environment asks for devices that do not exist or contradict each other.
    """
    wanted = environment.device()
    devices = devices or environment.devices()
    if devices > 1 and ":" in wanted:
        raise PentimentoError(
            f"PENTIMENTO_DEVICE names one device, {wanted}, but PENTIMENTO_DEVICES is {devices}"
        )
    cuda = torch.cuda.is_available() if wanted == "auto" else wanted.startswith("cuda")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise PentimentoError(f"PENTIMENTO_DEVICE is {wanted}, but torch sees no CUDA device")
    torch.set_num_threads(environment.threads())
    if cuda and devices > torch.cuda.device_count():
        raise PentimentoError(
            f"PENTIMENTO_DEVICES is {devices}, but torch sees {torch.cuda.device_count()} CUDA device(s)"
        )
    chosen: Any = [int(wanted.split(":")[1])] if ":" in wanted else devices
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=chosen,
        strategy="ddp" if devices > 1 else "auto",
        precision="bf16-mixed" if cuda else "32-true",
    )
    if devices > 1:
        fabric.launch()
    return fabric


def first_only(fabric: Fabric) -> None:
    """End all processes of a training but the first one, which alone writes the files that follow."""
    if fabric.world_size > 1:
        torch.distributed.destroy_process_group()
    if not fabric.is_global_zero:
        sys.exit(0)


class Trainer:
    """Runs a task's epochs; everything it needs to go on lies in its folder of checkpoints.

    Args:
        task: what is trained.
        schedule: how long and how fast.
        folder: of the checkpoints.
        fabric: see `make_fabric`.
        minutes: a budget; None: none. It cuts the epoch short that it ends in: that epoch is judged like the
            others, but no checkpoint is written of it, so a later run begins it again.
    """

    def __init__(
        self, task: Task, schedule: Schedule, folder: Path, fabric: Fabric, minutes: float | None = None
    ) -> None:
        self.task, self.schedule, self.folder, self.fabric = task, schedule, folder, fabric
        self._end = None if minutes is None else time.monotonic() + minutes * 60
        self.history: list[Row] = []
        self.epoch = 0
        self._cut = False  # whether the budget ended within the last epoch
        self._parts = 1  # micro-batches per update; doubled when memory runs out
        optimizers = {network: optimizer for _, network, optimizer in task.phases}
        self.networks: dict[str, Any] = {}
        self.optimizers: dict[str, Any] = {}
        for name, network in task.networks.items():
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            if name in optimizers:
                self.networks[name], self.optimizers[name] = fabric.setup(network, optimizers[name])
            else:
                self.networks[name] = fabric.to_device(network)
        self.average = AveragedModel(
            task.networks[task.averaged],
            multi_avg_fn=get_ema_multi_avg_fn(schedule.ema_decay),  # type: ignore[no-untyped-call]
            use_buffers=False,
        )
        self.best: dict[str, Any] = {"epoch": -1, "weights": _weights(self.average)}

    def fit(self, label: str) -> nn.Module:
        """Train to the end, from the last checkpoint if there is one; the best averaged network."""
        self._resume()
        epochs = range(self.epoch, self.schedule.epochs)
        for epoch in track(epochs, label) if self.fabric.is_global_zero else epochs:
            if self._exhausted():
                self._say(f"{label}: no better for {self.schedule.patience} epochs, stopping at {epoch}")
                break
            if self._is_over() and self.history:
                break
            row = self._epoch(epoch)
            self._judge(epoch, row)
            self.history.append(row)
            self.epoch = epoch + 1
            if not self._cut:
                self._save()
            figures = "  ".join(f"{name} {value:.4g}" for name, value in row.items())
            self._say(f"{label}: epoch {epoch + 1}/{self.schedule.epochs}  {figures}")
        network = self.average.module
        network.load_state_dict(self.best["weights"])
        return network.eval()

    def _epoch(self, epoch: int) -> Row:
        torch.manual_seed(_mix(self.schedule.seed, epoch, self.fabric.global_rank))
        for network in self.networks.values():
            network.train()
        self._set_learning_rates(epoch)
        sums: Row = {}
        count = 0
        batches = ahead(
            self.task,
            epoch,
            self.fabric.global_rank,
            self.fabric.world_size,
            environment.loaders(),
            pinned=self.fabric.device.type == "cuda",
        )
        for step, batch in enumerate(map(self.fabric.to_device, batches)):
            for name, value in self._learn(batch).items():
                # Of several processes none may leave alone: they meet at the epoch's end.
                if not math.isfinite(value) and self.fabric.world_size == 1:
                    self._diverged(epoch, step, name)
                sums[name] = sums.get(name, 0.0) + value
            self.average.update_parameters(self.task.networks[self.task.averaged])
            count += 1
            if self._is_over():
                self._cut = True
                break
        if count == 0:
            raise PentimentoError("training has no batch: there is no picture in its split")
        row = self._shared({name: total / count for name, total in sums.items()})
        for name, value in row.items():
            if not math.isfinite(value):
                self._diverged(epoch, count - 1, name)
        # One process judges for all, so that none stops early or keeps another epoch's weights.
        if self.fabric.is_global_zero:
            with torch.no_grad():
                row |= self.task.validate(self.average.module.eval(), epoch)
        self.average.module.eval()
        shared: Row = self.fabric.broadcast(row)
        return shared

    def _is_over(self) -> bool:
        """Whether the budget is spent; the first process decides for all."""
        if self._end is None:
            return False
        return bool(self.fabric.broadcast(time.monotonic() >= self._end))

    def _shared(self, row: Row) -> Row:
        """The mean over all processes of their figures."""
        if self.fabric.world_size == 1:
            return row
        means = self.fabric.all_reduce({k: torch.tensor(v, dtype=torch.float64) for k, v in row.items()})
        return {name: float(value) for name, value in means.items()}  # type: ignore[union-attr]

    def _say(self, text: str) -> None:
        if self.fabric.is_global_zero:
            say(text)

    def _set_learning_rates(self, epoch: int) -> None:
        if self.schedule.cosine:
            factor = 0.5 * (1 + math.cos(math.pi * epoch / self.schedule.epochs))
            for optimizer in self.optimizers.values():
                for group in optimizer.param_groups:
                    group.setdefault("initial_lr", group["lr"])
                    group["lr"] = group["initial_lr"] * factor

    def _learn(self, batch: Batch) -> Row:
        """The updates of all phases; what they report, summed."""
        sums: Row = {}
        for phase, network, _ in self.task.phases:
            for name, value in self._update(phase, network, batch).items():
                sums[name] = sums.get(name, 0.0) + value
        return sums

    def _update(self, phase: str, network: str, batch: Batch) -> Row:
        size = len(next(iter(batch.values())))
        while True:
            try:
                return self._attempt(phase, network, batch, size)
            except torch.OutOfMemoryError:
                if self._parts >= size:
                    raise
            # Out of the handler: the error's traceback no longer holds the failed attempt's tensors.
            torch.cuda.empty_cache()
            self._parts = min(2 * self._parts, size)
            say(f"out of memory: going on with {self._parts} micro-batches per update")

    def _attempt(self, phase: str, network: str, batch: Batch, size: int) -> Row:
        optimizer = self.optimizers[network]
        optimizer.zero_grad()
        sums: Row = {}
        chunk = math.ceil(size / self._parts)
        for start in range(0, size, chunk):
            part = {name: tensor[start : start + chunk] for name, tensor in batch.items()}
            share = min(chunk, size - start) / size
            last = start + chunk >= size  # processes exchange gradients once per update, not per part
            with self.fabric.no_backward_sync(self.networks[network], enabled=not last):
                loss, row = self.task.loss(phase, part, self.networks)
                self.fabric.backward(loss * share)
            for name, value in row.items():
                sums[name] = sums.get(name, 0.0) + value * share
        if self.schedule.clip_norm > 0:
            self.fabric.clip_gradients(
                self.networks[network], optimizer, max_norm=self.schedule.clip_norm, error_if_nonfinite=False
            )
        optimizer.step()
        return sums

    def _judge(self, epoch: int, row: Row) -> None:
        if self.task.monitor is None:
            better = True
        else:
            name, more = self.task.monitor
            past = [r[name] for r in self.history]
            better = not past or (row[name] > max(past) if more else row[name] < min(past))
        if better:
            self.best = {"epoch": epoch, "weights": _weights(self.average)}

    def _exhausted(self) -> bool:
        waited = self.epoch - 1 - int(self.best["epoch"])
        return 0 < self.schedule.patience <= waited

    def _diverged(self, epoch: int, step: int, name: str) -> None:
        raise PentimentoError(
            f"training diverged: {name} is not finite at epoch {epoch + 1}, step {step + 1}; lower "
            f"learning_rate. The checkpoint of epoch {self.epoch} is kept in {self.folder}"
        )

    def _state(self) -> dict[str, Any]:
        return {
            "networks": {name: _plain(network) for name, network in self.task.networks.items()},
            "optimizers": {name: opt.state_dict() for name, opt in self.optimizers.items()},
            "average": self.average.state_dict(),
            "best": self.best,
            "history": self.history,
            "epoch": self.epoch,
        }

    def _save(self) -> None:
        if self.fabric.is_global_zero:
            with atomic_path(self.folder / CHECKPOINT) as temporary:
                torch.save(self._state(), temporary)
        self.fabric.barrier()

    def _resume(self) -> None:
        path = self.folder / CHECKPOINT
        if not path.exists():
            return
        state = torch.load(path, map_location=self.fabric.device, weights_only=True)
        for name, weights in state["networks"].items():
            self.task.networks[name].load_state_dict(weights)
        for name, values in state["optimizers"].items():
            self.optimizers[name].load_state_dict(values)
        self.average.load_state_dict(state["average"])
        self.best, self.history, self.epoch = state["best"], state["history"], state["epoch"]
        self._say(f"going on after epoch {self.epoch} ({path})")


def _weights(average: AveragedModel) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in average.module.state_dict().items()}


def _plain(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.state_dict())


def _mix(*numbers: int) -> int:
    """One seed from several numbers."""
    import numpy as np

    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint32)[0])
