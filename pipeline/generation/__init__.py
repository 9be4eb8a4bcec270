"""Sampling from the generator: pictures by seed and index, and folders of them."""
