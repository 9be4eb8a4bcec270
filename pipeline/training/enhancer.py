"""Training networks that clean a picture or enlarge it: crops made worse to order, then mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.metrics import decibels
from pipeline.training.crops import at_least, ratio, turned
from pipeline.training.examples import Crops, Penalty
from pipeline.training.precision import autocast
from pipeline.training.task import Batch, Row

Pixels = NDArray[np.float32]  # (H, W, C), values in [0, 1]
Example = Mapping[str, Pixels]  # what the network is given by name, `base` and `truth`
Worsen = Callable[[Pixels, np.random.Generator], Example]
Enlarge = Callable[[Pixels, int], Pixels]  # a picture and a scale to a larger picture

_VALIDATION = 1  # a stream of randomness apart from the epochs'
_EPSILON = 1e-3  # below it, Charbonnier's penalty is that of squares
_FULL = 255.0


class MendingTask:
    """Data, loss and validation, for the training loop, of a network that says what to add to a picture.

    Args:
        network: takes an example's `inputs` (N, C, H, W), gives what to add to its `base`.
        inputs: names of the arrays of an example that the network takes, in order.
        train: pictures, (H, W, 3) 8-bit sRGB.
        validation: the same, of other works.
        worsen: makes an example of a crop (side, side, 3).
        probes: what makes the examples of the validation: each crop goes through every one of them.
        crops: sizes and counts.
        batch_size: crops per update.
        learning_rate: of AdamW.
        fft_weight: weight of the error in the spectrum beside that of the pixels.
        penalty: of the pixels' errors: 'charbonnier', or 'log_mse', what the mean PSNR of crops is made of,
            for the last epochs of a network that is judged by it (Chen et al. 2022).
        bf16: compute in bfloat16 on a CPU that has it (a GPU's precision is the loop's matter).
        seed: of crops and of how they are made worse.
    """

    averaged = "network"
    monitor: tuple[str, bool] | None = ("val_psnr", True)
    phases: Sequence[tuple[str, str, torch.optim.Optimizer]]

    def __init__(
        self,
        network: nn.Module,
        *,
        inputs: Sequence[str],
        train: Sequence[NDArray[np.uint8]],
        validation: Sequence[NDArray[np.uint8]],
        worsen: Worsen,
        probes: Mapping[str, Worsen],
        crops: Crops,
        batch_size: int,
        learning_rate: float,
        fft_weight: float,
        bf16: bool,
        seed: int,
        penalty: Penalty = "charbonnier",
    ) -> None:
        self.networks: dict[str, nn.Module] = {"network": network}
        optimizer = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=1e-4)
        self.phases = (("network", "network", optimizer),)
        self.inputs, self.train, self.worsen, self.crops = tuple(inputs), train, worsen, crops
        self.batch_size, self.seed, self.fft_weight, self.bf16 = batch_size, seed, fft_weight, bf16
        self.penalty = penalty
        self.validation = {name: self._probe(validation, make) for name, make in probes.items()}

    def batches(self, epoch: int, rank: int, processes: int) -> Iterator[Batch]:
        """One epoch's batches: the arrays of its examples, as tensors (N, C, H, W)."""
        rng = np.random.default_rng([self.seed, epoch, rank, 0])
        if not self.train:
            return
        # A large picture has more to show than a small one: places are drawn evenly, not pictures.
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.train], float)
        count = self.crops.per_epoch // processes
        order = rng.choice(len(self.train), count, p=areas / areas.sum())
        for first in range(0, len(order), self.batch_size):
            chosen = order[first : first + self.batch_size]
            yield stack([self.worsen(self._crop(self.train[n], rng), rng) for n in chosen])

    def loss(self, phase: str, batch: Batch, networks: dict[str, nn.Module]) -> tuple[Tensor, Row]:
        """The penalty of the pixels (Charbonnier's: 1994), and the mean magnitude of the spectrum's error."""
        error = self._mend(networks["network"], batch) - batch["truth"]
        if self.penalty == "log_mse":
            # A tenth, so that a rate of learning that suits the one suits the other.
            loss = 0.1 * torch.log(error.square().mean((1, 2, 3)) + _EPSILON**2).mean()
        else:
            loss = torch.sqrt(error.square() + _EPSILON**2).mean()
        row = {"loss": loss, "l1": error.abs().mean()}
        if self.fft_weight:
            loss = loss + self.fft_weight * torch.fft.rfft2(error, norm="ortho").abs().mean()
        return loss, {name: float(value.detach()) for name, value in row.items()}

    def validate(self, network: nn.Module, epoch: int) -> Row:
        """PSNR (dB) of fixed crops of other works: the mean over the probes, and each of them."""
        device = next(network.parameters()).device
        row: Row = {}
        for name, batches in self.validation.items():
            found = []
            for batch in batches:
                held = {key: tensor.to(device) for key, tensor in batch.items()}
                mended = self._mend(network, held).clamp(0, 1)
                found.append(decibels((mended.detach() - held["truth"]).square().mean((1, 2, 3))))
            row[f"psnr_{name}"] = float(torch.cat(found).mean())
        return {"val_psnr": float(np.mean(list(row.values()))), **row}

    def _mend(self, network: nn.Module, batch: Batch) -> Tensor:
        given = [batch[name].contiguous(memory_format=torch.channels_last) for name in self.inputs]
        with autocast(given[0].device, on_cpu=self.bf16):
            residual: Tensor = network(*given)
        return batch["base"] + residual.float()

    def _crop(self, picture: NDArray[np.uint8], rng: np.random.Generator) -> Pixels:
        times = ratio(*self.crops.scales, rng)
        if times == 1.0:
            return random_crop(picture, self.crops.side, rng)
        return resized(random_crop(picture, round(self.crops.side / times), rng), self.crops.side)

    def _probe(self, pictures: Sequence[NDArray[np.uint8]], make: Worsen) -> list[Batch]:
        rng = np.random.default_rng([self.seed, _VALIDATION])
        numbers = [number % len(pictures) for number in range(self.crops.validation)] if pictures else []
        examples = [make(random_crop(pictures[n], 2 * self.crops.side, rng), rng) for n in numbers]
        size = self.batch_size
        return [stack(examples[first : first + size]) for first in range(0, len(examples), size)]


def random_crop(picture: NDArray[np.uint8], side: int, rng: np.random.Generator) -> Pixels:
    """A square of a picture (H, W, 3), (side, side, 3) in [0, 1], in one of its eight orientations.

    A picture that is smaller is mirrored outward.
    """
    picture = at_least(picture, side)
    top, left = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
    crop = turned(picture[top : top + side, left : left + side], rng)
    return crop.astype(np.float32) / np.float32(_FULL)


def with_noise(truth: Pixels, rng: np.random.Generator, *, sigma: float) -> Example:
    """Gaussian noise of a known level (of 255), clipped and rounded to 8 bit; see MendingTask.worsen."""
    noise = rng.standard_normal(truth.shape, np.float32) * np.float32(sigma / _FULL)
    return _cleaning(eight_bit(truth + noise), sigma, truth)


def worn(truth: Pixels, rng: np.random.Generator, *, most: float, gaussian: float) -> Example:
    """What the enhancer learns from: mostly Gaussian noise, else noise of other shapes, JPEG, slight blur.

    Args:
        truth: the picture.
        rng: of everything.
        most: the highest level of noise, of 255.
        gaussian: share of the examples that have Gaussian noise and nothing else.
    """
    # Weak noise is what most pictures have, and what is hardest to take away without harm: twice as often.
    kind, sigma = rng.random(), most * float(rng.uniform()) ** 1.5
    if kind < gaussian:
        return with_noise(truth, rng, sigma=sigma)
    if kind < gaussian + (1 - gaussian) * 0.4:
        picture = truth + _grain(truth.shape, rng) * np.float32(sigma / _FULL)
    elif kind < gaussian + (1 - gaussian) * 0.7:
        sigma *= 0.4
        picture = _jpeg(
            truth + _grain(truth.shape, rng) * np.float32(sigma / _FULL), int(rng.integers(40, 96))
        )
        sigma += 3  # what the blocks add, about
    else:
        sigma *= 0.3
        picture = _blurred(truth, float(rng.uniform(0.3, 0.9)))
        picture = picture + _grain(truth.shape, rng) * np.float32(sigma / _FULL)
    # Of such noise the estimate of its level is rough when the network is used.
    return _cleaning(eight_bit(picture), sigma * float(rng.uniform(0.7, 1.5)), truth)


def reduced(truth: Pixels, rng: np.random.Generator, *, scale: int, enlarge: Enlarge) -> Example:
    """What the upscaler learns from: a picture reduced by bicubic interpolation, rounded to 8 bit.

    Args:
        truth: the picture; its sides are multiples of the scale.
        rng: not used: nothing here is random.
        scale: how many times smaller the reduced picture is.
        enlarge: the interpolation that the network's result is added to.
    """
    del rng
    small = bicubic(truth, truth.shape[0] // scale, truth.shape[1] // scale)
    return {"picture": small, "base": enlarge(small, scale), "truth": truth}


def bicubic(pixels: Pixels, height: int, width: int) -> Pixels:
    """A picture (H, W, 3) resized by bicubic interpolation (Keys 1981), as 8 bit in and out.

    A smaller one is antialiased, as by the `imresize` that the literature reduces pictures with.
    """
    from PIL import Image

    image = Image.fromarray(np.rint(pixels * _FULL).astype(np.uint8))
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.float32) / np.float32(_FULL)


def resized(pixels: Pixels, side: int) -> Pixels:
    """A square picture at another size, as 8 bit would hold it: by area when smaller, else bicubic."""
    import cv2

    way = cv2.INTER_AREA if side < pixels.shape[0] else cv2.INTER_CUBIC
    return eight_bit(np.asarray(cv2.resize(pixels, (side, side), interpolation=way), np.float32))


def enlarged(truth: Pixels, rng: np.random.Generator, *, worsen: Worsen, ratio: int) -> Example:
    """The example of the middle of a square picture, enlarged to its size; see MendingTask.worsen."""
    side = truth.shape[0]
    start, length = (side - side // ratio) // 2, side // ratio
    middle = truth[start : start + length, start : start + length]
    return worsen(resized(middle, side), rng)


def eight_bit(pixels: NDArray[np.floating]) -> Pixels:
    """Values clipped to [0, 1] and rounded as 8 bit would hold them."""
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * _FULL), np.float32) / np.float32(_FULL)


def stack(examples: Sequence[Example]) -> Batch:
    """Examples as one batch of tensors (N, C, H, W)."""
    return {
        name: torch.from_numpy(np.stack([example[name] for example in examples])).permute(0, 3, 1, 2)
        for name in examples[0]
    }


def _cleaning(picture: Pixels, sigma: float, truth: Pixels) -> Example:
    noise = np.full((*truth.shape[:2], 1), sigma / _FULL, np.float32)
    return {"picture": picture, "noise": noise, "base": picture, "truth": truth}


def _grain(shape: tuple[int, ...], rng: np.random.Generator) -> Pixels:
    """Noise (H, W, C) of deviation 1: of each channel or grey, fine or of a grain of some pixels."""
    import cv2

    noise = rng.standard_normal(shape, np.float32)
    if rng.random() < 0.5:
        noise = np.repeat(noise[..., :1], shape[2], axis=2)
    if rng.random() < 0.5:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.4, 1.0))), np.float32)
        noise /= max(float(noise.std()), 1e-6)
    return noise


def _jpeg(pixels: Pixels, quality: int) -> Pixels:
    import cv2

    whole = np.rint(eight_bit(pixels) * _FULL).astype(np.uint8)
    _, content = cv2.imencode(".jpg", whole[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))[..., ::-1]
    return np.asarray(decoded, np.float32) / np.float32(_FULL)


def _blurred(pixels: Pixels, sigma: float) -> Pixels:
    import cv2

    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.float32)
