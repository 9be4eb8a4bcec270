"""Train upscaler_x4: the network that enlarges four times; epochs: 0 takes its start weights over."""

from pipeline.recipes.mending import UPSCALER_X4
from pipeline.recipes.stage import training_stage

STAGE = training_stage(UPSCALER_X4)
