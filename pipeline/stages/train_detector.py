"""Train detector: the network that finds damage; epochs: 0 takes its start weights over."""

from pipeline.recipes.detector import DETECTOR
from pipeline.recipes.stage import training_stage

STAGE = training_stage(DETECTOR)
