"""How good generated pictures are: kernel distance, precision and recall, nearest training picture.

All metrics use features (N, D) of EfficientNet-Lite0. The distance is called KID-Lite0, because its values
cannot be compared with a KID or FID on Inception features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.resampling.bootstrap import Interval, percentiles

Features = NDArray[np.floating]


def kernel_distance(x: Features, y: Features) -> float:
    """KID: the unbiased squared maximum mean discrepancy with a cubic kernel (Bińkowski et al. 2018).

    Its expectation is 0 when both sets come from one distribution, so it may be slightly negative.

    Raises:
        ValueError: when a set has fewer than two rows.
    """
    m, n = len(x), len(y)
    if m < 2 or n < 2:
        raise ValueError("both sets need two rows or more")
    xx, yy, xy = _kernel(x, x), _kernel(y, y), _kernel(x, y)
    within_x = (xx.sum() - np.trace(xx)) / (m * (m - 1))
    within_y = (yy.sum() - np.trace(yy)) / (n * (n - 1))
    return float(within_x + within_y - 2 * xy.mean())


def kernel_distance_interval(
    x: Features, y: Features, subset: int = 50, repeats: int = 200, seed: int = 0
) -> Interval:
    """The kernel distance of all rows, and where 95% of the distances of random subsets lie.

    Args:
        x, y: features.
        subset: rows drawn from each set, without repetition; capped by the smaller set's size.
        repeats: how many subsets.
        seed: of the drawing.

    Returns:
        {"value", "low", "high"}, rounded to 4 digits after the point. The range is that of sets of
        `subset` pictures, hence wider than the uncertainty of the value itself.
    """
    size = min(subset, len(x), len(y))
    rng = np.random.default_rng(seed)
    found = [
        kernel_distance(
            x[rng.choice(len(x), size, replace=False)], y[rng.choice(len(y), size, replace=False)]
        )
        for _ in range(repeats)
    ]
    return percentiles(kernel_distance(x, y), np.array(found))


@dataclass(frozen=True)
class Manifolds:
    """Fidelity and variety of a set of pictures against real ones, each a share from 0 to 1.

    precision: fakes inside the real manifold; recall: reals inside the fake one (Kynkäänniemi et
    al. 2019). coverage: reals with a fake in their neighbourhood; density: how many real
    neighbourhoods a fake lies in, over k, may exceed 1 (Naeem et al. 2020).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifolds(real: Features, fake: Features, neighbours: int = 3) -> Manifolds:
    """Precision, recall, density and coverage by k-nearest-neighbour balls.

    Raises:
        ValueError: when a set has no more than `neighbours` rows.
    """
    if min(len(real), len(fake)) <= neighbours:
        raise ValueError(f"both sets need more than {neighbours} rows")
    real_radii, fake_radii = _radii(real, neighbours), _radii(fake, neighbours)
    between = distances(real, fake)
    in_real = between <= real_radii[:, None]
    in_fake = between <= fake_radii[None, :]
    return Manifolds(
        precision=round(float(in_real.any(axis=0).mean()), 4),
        recall=round(float(in_fake.any(axis=1).mean()), 4),
        density=round(float(in_real.sum(axis=0).mean() / neighbours), 4),
        coverage=round(float(in_real.any(axis=1).mean()), 4),
    )


@dataclass(frozen=True)
class NearestWorks:
    """The nearest training picture of each sample, and whether samples are suspiciously near.

    `copied` is the share of samples whose distance to the nearest training picture is below the 5th
    percentile of the same distance for held-out real pictures. Held-out pictures themselves have 0.05.
    """

    index: NDArray[np.intp]
    distance: NDArray[np.floating]
    copied: float
    median: float
    real_median: float


def nearest_training(samples: Features, held_out: Features, train: Features) -> NearestWorks:
    """Check samples for memorised training pictures, by Euclidean distance of features."""
    between = distances(samples, train)
    index = between.argmin(axis=1)
    distance = between[np.arange(len(between)), index]
    real = distances(held_out, train).min(axis=1)
    return NearestWorks(
        index,
        distance,
        copied=round(float((distance < np.quantile(real, 0.05)).mean()), 4),
        median=round(float(np.median(distance)), 4),
        real_median=round(float(np.median(real)), 4),
    )


def spread(pictures: NDArray[np.uint8], real: NDArray[np.uint8], cells: int = 8) -> float:
    """How varied pictures are in layout and colour, as a share of how varied real ones are.

    The standard deviation over pictures of the mean colour of each of `cells` x `cells` cells. It does not
    depend on features: a generator that repeats one picture is near 0, whatever its KID-Lite0.

    Args:
        pictures, real: (N, side, side, 3), 8 bit; side a multiple of `cells`.
        cells: cells a side.
    """

    def deviation(x: NDArray[np.uint8]) -> float:
        size = x.shape[1] // cells
        means = x.reshape(len(x), cells, size, cells, size, 3).mean(axis=(2, 4))
        return float(means.std(axis=0).mean())

    return round(deviation(pictures) / max(deviation(real), 1e-9), 4)


def distances(x: Features, y: Features) -> NDArray[np.float64]:
    """Euclidean distances (len(x), len(y))."""
    a, b = x.astype(np.float64), y.astype(np.float64)
    squared = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0)), np.float64)


def _kernel(x: Features, y: Features) -> NDArray[np.float64]:
    product = x.astype(np.float64) @ y.astype(np.float64).T
    return np.asarray((product / x.shape[1] + 1) ** 3, np.float64)


def _radii(x: Features, neighbours: int) -> NDArray[np.float64]:
    """Each row's distance to its k-th nearest other row."""
    between = distances(x, x)
    np.fill_diagonal(between, 0)  # rounding must not give a row a distance to itself
    return np.asarray(np.partition(between, neighbours, axis=1)[:, neighbours])
