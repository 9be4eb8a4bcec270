"""Two-sample tests, each with a p-value and an effect size.

Each returns a mapping: `effect` from 0 to 1, `p`, and where they apply `psi` (the population stability
index), `shift` (of the mean, in standard deviations) and `detail` (the largest change, in words). `p` is
missing when nothing can be tested: too few values, or one value everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Result = dict[str, Any]
Rng = np.random.Generator

MIN_SIZE = 8  # smallest size of either sample that is tested
TOO_FEW: Result = {"detail": "too few to judge"}
OTHER = "(others)"
_CLASSES, _RARE = 20, 5  # at most 20 classes with 5 works or more are compared; all others are one class
_RESAMPLES = 9_999  # random tables behind the p-value of classes
_SHUFFLES, _BATCH = 4_999, 500  # random splits behind that of vectors
_DIGITS = 9  # decimals of an energy distance; the rest is rounding error


def numbers(left: Floats, right: Floats) -> Result:
    """Two-sample Kolmogorov-Smirnov test of (N,) and (M,) finite numbers; conservative when there are ties.

    The effect is the test statistic: the largest difference of the two cumulative distributions.
    """
    if min(len(left), len(right)) < MIN_SIZE:
        return TOO_FEW
    spread = float(np.sqrt((left.var(ddof=1) + right.var(ddof=1)) / 2))
    medians = f"median {np.median(left):.6g} before, {np.median(right):.6g} now"
    if not spread and left[0] == right[0]:
        return {"effect": 0.0, "psi": 0.0, "shift": 0.0, "detail": medians}
    from scipy.stats import ks_2samp

    # The exact distribution assumes that all values are distinct.
    distinct = len(np.unique(np.concatenate([left, right]))) == len(left) + len(right)
    exact = distinct and len(left) * len(right) <= 10_000
    test = ks_2samp(left, right, method="exact" if exact else "asymp")
    edges = np.unique(np.quantile(left, np.linspace(0, 1, 11)[1:-1]))
    counts = [np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1) for side in (left, right)]
    return {
        "effect": float(test.statistic),
        "psi": stability(*counts),
        "shift": float(right.mean() - left.mean()) / spread if spread else np.nan,
        "p": float(np.clip(test.pvalue, 0, 1)),
        "detail": medians,
    }


def classes(left: pd.Series[Any], right: pd.Series[Any], rng: Rng) -> Result:
    """Permutation test of the chi-squared statistic, for samples of any size; rare classes are merged.

    The effect is the total variation distance: the share of works whose class would have to change.

    Args:
        left, right: class (text) -> count.
        rng: draws the random tables.
    """
    table = pd.DataFrame({"left": left, "right": right}).fillna(0).astype("int64")
    if table.sum().min() < MIN_SIZE:
        return TOO_FEW
    table = _merged(table)
    a, b = table["left"].to_numpy(), table["right"].to_numpy()
    shares = a / a.sum(), b / b.sum()
    apart = shares[1] - shares[0]
    most = int(np.abs(apart).argmax())
    found = {
        "effect": float(np.abs(apart).sum() / 2),
        "psi": stability(a, b),
        "detail": f"{table.index[most]}: {shares[0][most]:.1%} before, {shares[1][most]:.1%} now",
    }
    if len(table) < 2:
        return found
    from scipy.stats import MonteCarloMethod, chi2_contingency

    method = MonteCarloMethod(n_resamples=_RESAMPLES, rng=rng)
    return found | {"p": float(chi2_contingency([a, b], correction=False, method=method).pvalue)}


def tags(left: pd.Series[Any], right: pd.Series[Any], sizes: tuple[int, int]) -> Result:
    """Fisher's exact test for each common tag, with Bonferroni correction; a work may have several tags.

    The effect is the largest difference between the two shares of a tag.

    Args:
        left, right: tag -> number of works with it.
        sizes: number of works on either side.
    """
    if min(sizes) < MIN_SIZE:
        return TOO_FEW
    table = pd.DataFrame({"left": left, "right": right}).fillna(0).astype("int64")
    table = _merged(table).drop(index=[OTHER], errors="ignore")
    if table.empty:
        return {"detail": "no tag is common enough to judge"}
    from scipy.stats import fisher_exact

    chances = [
        fisher_exact([[a, sizes[0] - a], [b, sizes[1] - b]]).pvalue
        for a, b in zip(table["left"], table["right"], strict=True)
    ]
    shares = table["left"] / sizes[0], table["right"] / sizes[1]
    apart = (shares[1] - shares[0]).abs()
    most = str(apart.idxmax())
    return {
        "effect": float(apart.max()),
        "p": min(1.0, float(min(chances)) * len(chances)),
        "detail": f"{most}: {shares[0][most]:.1%} before, {shares[1][most]:.1%} now",
    }


def vectors(left: NDArray[np.floating[Any]], right: NDArray[np.floating[Any]], rng: Rng) -> Result:
    """Permutation test of the energy distance of vectors (N, D) and (M, D); memory grows with (N + M)².

    The effect is the square root of the coefficient of inhomogeneity (Székely & Rizzo 2013: the energy
    distance divided by twice the mean distance between the sets), minus its mean under permutation. It
    grows in proportion to the share of vectors from another distribution.
    """
    if min(len(left), len(right)) < MIN_SIZE:
        return TOO_FEW
    from scipy.spatial.distance import cdist
    from scipy.stats import permutation_test

    both = np.concatenate([left, right]).astype(np.float64)
    distances = cdist(both, both)
    across = float(distances[: len(left), len(left) :].mean())
    if not across:
        return {"effect": 0.0, "detail": "all pictures are the same"}

    def energy(first: Ints, second: Ints, axis: int) -> Floats:
        """The energy distance, over `across`, of works at the positions `first` (…, N) and the others."""
        weights = np.full((*first.shape[:-1], len(both)), -1 / len(right))
        np.put_along_axis(weights, first, 1 / len(left), axis=axis)
        energies = -np.einsum("...n,...n->...", weights, weights @ distances)
        return np.asarray(np.round(energies / across, _DIGITS))  # so that equal splits tie

    test = permutation_test(
        np.split(np.arange(len(both)), [len(left)]), energy, vectorized=True, n_resamples=_SHUFFLES,
        batch=_BATCH, alternative="greater", rng=rng,
    )  # fmt: skip
    coefficient = np.clip((test.statistic - test.null_distribution.mean()) / 2, 0, 1)
    return {
        "effect": float(np.sqrt(coefficient)),
        "p": float(test.pvalue),
        "detail": "what the pictures show",
    }


def stability(left: Ints, right: Ints) -> float:
    """Population stability index of two histograms (K,); half a work is added to each bin.

    By convention 0.1 is a small change, and 0.25 a large one.
    """
    a, b = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (left, right))
    return float(((b - a) * np.log(b / a)).sum())


def _merged(table: pd.DataFrame) -> pd.DataFrame:
    """Counts of classes, the most frequent first, rare ones merged; ranked by the sum of both samples."""
    total = table.sum(axis=1)
    order = pd.DataFrame({"total": -total, "name": total.index}).sort_values(["total", "name"]).index
    kept = [name for name in order[:_CLASSES] if total[name] >= _RARE]
    rest = table.drop(index=kept).sum()
    merged = table.loc[kept]
    if rest.sum():
        merged.loc[OTHER] = rest
    return merged
