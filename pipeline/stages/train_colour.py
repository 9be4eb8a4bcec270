"""Train colour: the network that undoes fading and varnish; epochs: 0 takes its start weights over."""

from pipeline.recipes.colour import COLOUR
from pipeline.recipes.stage import training_stage

STAGE = training_stage(COLOUR)
