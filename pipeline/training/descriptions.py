"""Descriptions of pictures by the frozen trunk, each computed once and kept in the ledger."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.archive.fixity import value_sha256
from pipeline.archive.ledger import Entry, Ledger
from pipeline.meaning import meaning, meaning_of
from pipeline.models import lite0
from pipeline.progress import track

Picture = NDArray[np.uint8]
Augmenter = Callable[[int, float], Callable[[Picture], Picture]]
Descriptions = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How views are made: (seed, strength) -> a function that alters a picture; `name` is its policy's."""

    build: Augmenter
    name: str


_COMMIT = 32  # descriptions computed between two commits of the ledger


class Describer:
    """Describes pictures squeezed to side x side pixels; results are shared by all stages and runs.

    A description is known by the picture's pixels, the side, the kind of device and the meaning of the
    trunk's code; the package that holds its weights is one of its libraries. A new picture in an archive
    costs one description, a changed learning rate none.
    """

    def __init__(self, ledger: Path, side: int, device: torch.device) -> None:
        self.path, self.side, self.device = ledger, side, device
        recipe = [side, device.type, meaning(lite0.__name__)]
        self.space = f"describe:{value_sha256(recipe)[:16]}"

    def plain(self, pictures: Sequence[Picture], label: str) -> Descriptions:
        """Descriptions (N, D) of pictures as they are."""
        return self._describe([(picture_key(p), _always(p)) for p in pictures], label)

    def views(
        self,
        pictures: Sequence[Picture],
        augmentation: Augmentation,
        count: int,
        seed: int,
        label: str,
        strength: NDArray[np.float64] | None = None,
    ) -> Descriptions:
        """Descriptions (N, 2 + count, D) to train on: plain, mirrored, then `count` augmented views.

        A view depends on the picture, the seed, its number and the work's strength (N,) only; without
        one the augmentation is as in the policy.
        """
        items: list[tuple[str, Callable[[], Picture]]] = []
        code = meaning_of(augmentation.build)[:16]
        strengths = [0.0] * len(pictures) if strength is None else strength.tolist()
        for picture, own_strength in zip(pictures, strengths, strict=True):
            key = picture_key(picture)
            name = augmentation.name + (f"+{own_strength:g}" if own_strength else "")
            items += [(key, _always(picture)), (f"{key}:mirrored", _always(picture[:, ::-1]))]
            for number in range(count):
                own = np.random.SeedSequence([seed, number, int(key[:16], 16)]).generate_state(1)[0]
                view = partial(_view, augmentation.build, int(own), own_strength, picture)
                items.append((f"{key}:{name}:{code}:{seed}:{number}", view))
        return self._describe(items, label).reshape(len(pictures), 2 + count, lite0.DESCRIPTION)

    def _describe(self, items: Sequence[tuple[str, Callable[[], Picture]]], label: str) -> Descriptions:
        makers = dict(items)
        with Ledger(self.path, self.space) as ledger:
            found = {key: _decode(entry.value) for key, entry in ledger.get(makers).items()}
            todo = [key for key in makers if key not in found]
            batches = [todo[start : start + _COMMIT] for start in range(0, len(todo), _COMMIT)]
            for batch in track(batches, label):
                tensors = [lite0.to_input(makers[key](), self.side) for key in batch]
                rows = dict(zip(batch, self._run(tensors), strict=True))
                ledger.put({key: Entry(_encode(row)) for key, row in rows.items()})
                found |= rows
        rows_in_order = [found[key] for key, _ in items]
        if not rows_in_order:
            return np.zeros((0, lite0.DESCRIPTION), np.float32)
        return np.stack(rows_in_order)

    @cached_property
    def _trunk(self) -> lite0.Lite0:
        trunk = lite0.Lite0().eval().requires_grad_(False).to(self.device)
        return trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _run(self, tensors: list[torch.Tensor]) -> list[Descriptions]:
        # One by one on a CPU (as fast there): the last bits must not depend on the neighbours.
        size = 1 if self.device.type == "cpu" else _COMMIT
        rows: list[Descriptions] = []
        with torch.inference_mode():
            for start in range(0, len(tensors), size):
                batch = torch.stack(tensors[start : start + size]).to(self.device)
                batch = batch.contiguous(memory_format=torch.channels_last)
                rows += list(self._trunk.describe(batch).float().cpu().numpy())
        return rows


def picture_key(picture: Picture) -> str:
    """What a picture (H, W, 3) is known by: the SHA-256 of its shape and pixels."""
    digest = hashlib.sha256(repr(picture.shape).encode())
    digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()


def _always(picture: Picture) -> Callable[[], Picture]:
    return lambda: picture


def _view(build: Augmenter, seed: int, strength: float, picture: Picture) -> Picture:
    return build(seed, strength)(picture)


def _encode(row: Descriptions) -> str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode()


def _decode(text: str) -> Descriptions:
    return np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
