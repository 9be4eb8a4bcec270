"""A plain convolutional network, trained from scratch (models/cnn.py)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from pipeline.training.families.classifiers.base import CLASSIFIERS, ClassifierFamily


@CLASSIFIERS.register("cnn")
class PlainFromScratch(ClassifierFamily):
    """`family: cnn`: the comparison for pretrained features."""

    architecture = "cnn"
    dropout: float = Field(ge=0, lt=1)

    def arguments(self, outputs: int) -> dict[str, Any]:
        """What models/cnn.py builds the network from."""
        return {"outputs": outputs, "dropout": self.dropout}
