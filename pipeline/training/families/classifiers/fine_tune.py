"""The pretrained EfficientNet-Lite0 (models/lite0.py), trunk and head trained together."""

from __future__ import annotations

from pipeline.training.families.classifiers.base import CLASSIFIERS, ClassifierFamily


@CLASSIFIERS.register("fine_tune")
class FineTuned(ClassifierFamily):
    """`family: fine_tune`: for archives of thousands of works, and a GPU."""

    architecture = "lite0"
