"""What of the sources has changed since the inventory was taken."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import paths
from pipeline.params import load_params


@dataclass(frozen=True)
class Changes:
    """How many works there are, and the ids of those that are new, changed (in bytes or record) or gone."""

    works: int
    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether anything has changed."""
        return bool(self.new or self.changed or self.gone)

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """For people."""
        if not self.any:
            return f"{self.works} works, nothing new."
        return f"{self.works} works: {len(self.new)} new, {len(self.changed)} changed, {len(self.gone)} gone."


def changes(root: Path) -> Changes:
    """Compare the sources with data/inventory.parquet; hashes are remembered, nothing else is written.

    Raises:
        PentimentoError: when params.yaml or a source is not as it must be.
    """
    import pandas as pd

    from pipeline.stage import make_context
    from pipeline.stages.inventory import STAGE, take

    params = load_params(root / paths.PARAMS, STAGE.name, STAGE.params)
    now = take(params, make_context(STAGE, root, params)).set_index("id")
    written = root / paths.INVENTORY
    before = pd.read_parquet(written).set_index("id") if written.exists() else now.iloc[:0]
    both = now.index.intersection(before.index)
    watched = ["path", "sha256", "fields"]
    differs = (now.loc[both, watched].fillna("") != before.loc[both, watched].fillna("")).any(axis=1)
    return Changes(
        works=len(now),
        new=tuple(now.index.difference(before.index)),
        changed=tuple(both[differs]),
        gone=tuple(before.index.difference(now.index)),
    )
