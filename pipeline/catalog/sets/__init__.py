"""What is learnt from: the split, the balance of classes, and the augmentation of a training set.

Nothing here trains; `training` reads what the stage `prepare` wrote with it.
"""

__all__ = ["augmentation", "balance", "presets", "split"]
