"""Train enhancer: the network that takes noise away; epochs: 0 takes its start weights over."""

from pipeline.recipes.mending import ENHANCER
from pipeline.recipes.stage import training_stage

STAGE = training_stage(ENHANCER)
