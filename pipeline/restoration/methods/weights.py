"""Where the weights of networks are found: those trained here, unless the others were measured better."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline import paths
from pipeline.errors import PentimentoError
from pipeline.restoration.methods.measured import measured_weights


@dataclass(frozen=True)
class Weights:
    """Two folders that hold models and measurements by name: restorer, detector, methods.json …

    trained: models that the pipeline trained on this archive; some or all may be missing.
    pretrained: weights that come with Pentimento.
    """

    trained: Path
    pretrained: Path

    def has(self, name: str) -> bool:
        """Whether either folder holds a model or file of that name."""
        return any((folder / name).exists() for folder in (self.trained, self.pretrained))

    def find(self, name: str) -> Path:
        """The path of a model's folder or of a file; `trained` takes precedence.

        The trained one is preferred, unless `steps.json` beside it says that the other one is better.

        Raises:
            PentimentoError: when neither folder holds it.
        """
        order = (self.trained, self.pretrained)
        steps = self.trained / paths.STEPS.name
        if name != steps.name and steps.exists() and measured_weights(steps).get(name) == "pretrained":
            order = (self.pretrained, self.trained)
        for folder in order:
            if (folder / name).exists():
                return folder / name
        raise PentimentoError(
            f"there is no {name} in {self.trained} or {self.pretrained}: `dvc repro` makes the first, "
            "a clone brings the second"
        )
