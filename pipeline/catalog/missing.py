"""Missing labels completed, each completed value marked with its origin and confidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Method = Literal["leave", "drop", "most_frequent", "nearest"]

_TEXT = ("title", "medium", "classification", "culture", "tags")  # what the neighbours are found by
_YEARS_ALIKE = 25  # years within which a neighbour supports a completed year


def complete(works: pd.DataFrame, methods: Mapping[str, Method], neighbours: int) -> pd.DataFrame:
    """Complete the gaps of each label by its method.

    A completed row has the method's name as `<label>_origin` and, as `<label>_confidence`, the
    share of the evidence that agrees with the value. `drop` marks the row in the column `dropped`
    with the reason. Only recorded values serve as evidence.
    """
    works = works.copy()
    works["dropped"] = pd.Series(None, index=works.index, dtype="string")
    for label, method in methods.items():
        gaps, known = works.index[works[label].isna()], works.index[works[label].notna()]
        if method == "leave" or gaps.empty:
            continue
        if method == "drop":
            works.loc[gaps, "dropped"] = works.loc[gaps, "dropped"].fillna(f"{label} is missing")
        elif not known.empty:
            nearest = _nearest(works, gaps, known, neighbours) if method == "nearest" else None
            for position, gap in enumerate(gaps):
                voters = known if nearest is None else known[nearest[position]]
                value, confidence = _vote(works.loc[voters, label])
                works.loc[gap, [label, f"{label}_origin", f"{label}_confidence"]] = [
                    value,
                    method,
                    confidence,
                ]
    return works


def _nearest(
    works: pd.DataFrame, gaps: pd.Index[Any], known: pd.Index[Any], neighbours: int
) -> NDArray[np.int64]:
    """For each gap the positions in `known` of its nearest works, by the words of their records."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors

    words = works[list(_TEXT[:-1])].fillna("").agg(" ".join, axis=1) + " "
    words += works["tags"].map(lambda tags: " ".join(tag.replace(" ", "_") for tag in tags))
    vectors = TfidfVectorizer(sublinear_tf=True).fit_transform(words + " work")
    place = {index: n for n, index in enumerate(works.index)}
    search = NearestNeighbors(n_neighbors=min(neighbours, len(known)), metric="cosine")
    search.fit(vectors[[place[index] for index in known]])
    found: NDArray[np.int64] = search.kneighbors(
        vectors[[place[index] for index in gaps]], return_distance=False
    )
    return found


def _vote(values: pd.Series[Any]) -> tuple[Any, float]:
    """What the evidence says, and the share of it that agrees: the mode of names, the median of years."""
    if pd.api.types.is_numeric_dtype(values):
        median = round(float(values.median()))
        agree = (values - median).abs() <= _YEARS_ALIKE
        return median, round(float(agree.mean()), 3)
    counts = Counter(values)
    value, count = min(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return value, round(count / len(values), 3)
