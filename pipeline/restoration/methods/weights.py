"""Where the weights of networks lie: weights trained here take precedence over those of Pentimento."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PentimentoError


@dataclass(frozen=True)
class Weights:
    """Two folders that hold models and measurements by name: restorer, detector, methods.json …

    trained: what the pipeline trained on the archive at hand; may lack some or all.
    pretrained: weights that come with Pentimento.
    """

    trained: Path
    pretrained: Path

    def has(self, name: str) -> bool:
        """Whether either folder holds a model or file of that name."""
        return any((folder / name).exists() for folder in (self.trained, self.pretrained))

    def find(self, name: str) -> Path:
        """The folder of a model, or a file.

        Raises:
            PentimentoError: when neither folder holds it.
        """
        for folder in (self.trained, self.pretrained):
            if (folder / name).exists():
                return folder / name
        raise PentimentoError(
            f"there is no {name} in {self.trained} or {self.pretrained}: `dvc repro` makes the first, "
            "a clone brings the second"
        )
