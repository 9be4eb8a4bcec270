"""What can be asked of a restoration beside its two folders, written once: for the command and the flow.

The steps of the registry bring an option each, and one for each of their settings that says so.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.restoration.methods import registry
from pipeline.restoration.methods.steps import MODES, JpegOutput, Mode


@dataclass(frozen=True)
class Option:
    """An option: its name, the type of its value, what it says, and how its value is called in --help."""

    name: str
    kind: Any
    help: str
    metavar: str | None = None
    least: int | None = None
    flag: bool = False  # false unless it is given

    @property
    def for_command(self) -> inspect.Parameter:
        """The option as a parameter of a typer command."""
        if self.flag:
            told = typer.Option(f"--{self.name.replace('_', '-')}", help=self.help)
            return _parameter(self.name, Annotated[bool, told], False)
        told = typer.Option(help=self.help, metavar=self.metavar, min=self.least)
        return _parameter(self.name, Annotated[self.kind | None, told], None)

    @property
    def for_flow(self) -> inspect.Parameter:
        """The option as a parameter of a Prefect flow, whose parameters are JSON values."""
        kind: Any = str if self.kind is Path else self.kind
        return _parameter(self.name, bool if self.flag else kind | None, False if self.flag else None)


def restore_options() -> Iterator[Option]:
    """All options of a restoration; `flows.requests.build_request` takes their values by name."""
    named = "; ".join(f"{mode}: {','.join(steps)}" for mode, steps in MODES.items())
    yield Option("masks", Path, "Folder of masks: MASKS/a/b.jpg.png for SRC/a/b.jpg; white = damage.")
    yield Option("mode", Mode, f"A chain of steps by its name ({named}).")
    yield Option("steps", str, "A chain of your own, such as detect,fill,enhance,upscale.", "STEP,…")
    for step in registry.steps():
        yield Option(step.name, str, step.help, "METHOD")
        for name, (kind, text) in step.settings.items():
            if text is not None:
                yield Option(name, kind, text)
    yield Option("jpeg_output", JpegOutput, "A damaged JPEG becomes a JPEG, or a lossless a.jpg.tif.")
    yield Option("methods", Path, "Which method fills which shape; default: as measured by the pipeline.")
    yield Option("include", list[str], "Only paths that match, e.g. '*.tif'; repeatable.")
    yield Option("exclude", list[str], "No paths that match, e.g. 'drafts/*'; repeatable.")
    yield Option("limit", int, "Only the first N works by path.", least=1)
    yield Option("prune", bool, "Move results of works gone from SRC to OUT/.pentimento/removed.", flag=True)


def with_options(own: inspect.Signature, options: Iterable[inspect.Parameter]) -> inspect.Signature:
    """A signature with options in place of its last parameter, `**options`."""
    *parameters, _ = own.parameters.values()
    folders = [one for one in parameters if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    others = [one for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY]
    return inspect.Signature([*folders, *options, *others], return_annotation=own.return_annotation)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
