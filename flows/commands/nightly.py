"""`pentimento nightly`: serve the nightly schedule from this process."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.commands.retrain import OnDrift


def nightly(
    cron: Annotated[str, typer.Option(help="When: minute, hour, day, month, weekday.")] = "30 3 * * *",
    timezone: Annotated[str, typer.Option(help="The clock that the schedule goes by.")] = "UTC",
    on_drift: Annotated[
        OnDrift, typer.Option(help="When the works have drifted since the last run: go on, or train nothing.")
    ] = "warn",
) -> None:
    """Retrain every night, for as long as this process runs; a run that is still going is not doubled.

    Examples:

    - `pentimento nightly`

    - `pentimento nightly --cron "0 2 * * 1-5" --timezone Europe/Amsterdam`

    - `pentimento nightly --on-drift stop`
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from flows import offline
    from pipeline import paths
    from pipeline.errors import PentimentoError

    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise PentimentoError(f"unknown time zone '{timezone}'; give one like Europe/Amsterdam") from None
    root = paths.project_root()
    offline.configure_prefect()
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron

    from flows.retrain import retrain

    try:
        schedule = Cron(cron, timezone=timezone)
    except ValueError as error:
        raise PentimentoError(f"'{cron}' is no schedule: {error}") from None
    limit = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
    with offline.scheduling_server() as api:
        typer.echo(f"Serving '{cron}' ({timezone}) for {root}; Ctrl-C ends it.")
        typer.echo(f"Its runs can be watched at {api.removesuffix('/api')}")
        parameters = {"root": str(root), "on_drift": on_drift}
        retrain.serve(name="nightly", schedule=schedule, parameters=parameters, global_limit=limit)
