"""How each network of ours is trained: on which pictures, by which task, with which card.

A training stage runs a recipe on the archive (stage.py); `pipeline/weights.py` runs it with the values in
profiles/weights/, to make the weights that come with Pentimento. Only these two import from here.
"""

__all__ = ["colour", "detector", "generator", "mending", "pictures", "recipe", "restorer", "stage"]
