"""Train upscaler_x2: the network that enlarges twice; epochs: 0 takes its start weights over."""

from pipeline.recipes.mending import UPSCALER_X2
from pipeline.recipes.stage import training_stage

STAGE = training_stage(UPSCALER_X2)
