"""The command line: `pentimento …`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from flows.commands.check import check
from flows.commands.classify import classify
from flows.commands.demo import demo
from flows.commands.drift import drift
from flows.commands.generate import generate
from flows.commands.impute_report import impute_report
from flows.commands.nightly import nightly
from flows.commands.plan import plan
from flows.commands.profile import profile
from flows.commands.report import report
from flows.commands.restore import restore
from flows.commands.retrain import retrain
from flows.commands.sync import sync
from flows.commands.weights import weights

app = typer.Typer(
    name="pentimento",
    help="Learn from an archive of artworks, and restore it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "The pipeline": (demo, plan, check, profile, sync, retrain, nightly, report, weights),
    "The data": (impute_report, drift),
    "Pictures": (restore, generate, classify),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)


def main() -> None:
    """Run the command line; an expected error prints one line and exits with code 1."""
    from pipeline.errors import PentimentoError, explain_machine

    try:
        app()
    except (PentimentoError, OSError) as error:
        reason = explain_machine(error) if isinstance(error, OSError) else str(error)
        print(f"error: {reason}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
