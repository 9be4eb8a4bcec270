"""Batch generation as a Prefect flow: one task per batch of pictures, never one per picture."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.futures import wait
from prefect.task_runners import ThreadPoolTaskRunner

from pipeline import environment, paths

BATCH = 16  # groups of pictures per task


@task(retries=2, retry_delay_seconds=5, persist_result=False)
def generate_groups(
    model: Path, out: Path, groups: list[int], *, count: int, seed: int, truncation: float
) -> int:
    """Make the missing pictures of some groups; how many there were."""
    from pipeline.generation import batch
    from pipeline.training.families import generators

    generator = generators.load(model)
    return sum(
        batch.write_group(generator, out, g, count=count, seed=seed, truncation=truncation) for g in groups
    )


@flow(
    name="generate",
    task_runner=ThreadPoolTaskRunner(max_workers=environment.workers()),  # type: ignore[arg-type]
    validate_parameters=False,
)
def generate_flow(
    out: str, n: int = 64, seed: int = 0, model: str | None = None, truncation: float = 0.9
) -> int:
    """Fill a folder with pictures of a generator, and continue where an earlier run stopped.

    Args:
        out: folder of the pictures; empty, or of the same request.
        n: how many pictures.
        seed: picture i is a function of the model, the seed and i.
        model: folder of the model; default: the project's trained generator.
        truncation: 0 to 1; lower is more typical and less varied.

    Returns:
        How many pictures were not there yet.

    Raises:
        PentimentoError: when the model is no generator, or the folder holds anything else.
    """
    # Imported here: `prefect deploy` loads this file in several threads, which torch does not support.
    from pipeline.generation import batch

    source = Path(model) if model else paths.project_root() / paths.GENERATOR
    target = Path(out)
    batch.begin(target, batch.request(source, seed, truncation))
    todo = batch.missing_groups(target, n)
    futures = [
        generate_groups.submit(
            source, target, todo[start : start + BATCH], count=n, seed=seed, truncation=truncation
        )
        for start in range(0, len(todo), BATCH)
    ]
    wait(futures)
    made = sum(future.result() for future in futures)
    batch.write_grid(target, n)
    get_run_logger().info("%d of %d pictures made in %s", made, n, target)
    return made
