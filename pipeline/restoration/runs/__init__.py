"""A run over an archive: plan, shards, workers, resuming, and what is gone or pruned.

Flows and the command line enter here; a run hands each work to `restoration.work`.
"""

__all__ = ["estimate", "names", "output", "request", "run", "shard", "watch"]
