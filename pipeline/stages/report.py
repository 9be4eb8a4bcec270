"""Report: one self-contained page on the run, the models, their figures, and the restored works."""

from __future__ import annotations

from pathlib import Path

from pipeline import paths
from pipeline.archive.atomic import write_bytes
from pipeline.evaluation.report.page import Sources, render
from pipeline.params import StageParams
from pipeline.stage import Context, Files, Metrics, Stage

TAKEN_OVER = (
    "train_detector", "train_enhancer", "train_colour", "train_upscaler_x2", "train_upscaler_x4",
)  # fmt: skip
REPORTED = (
    "inventory", "ingest", "clean", "prepare", "train_restorer", "evaluate_restorer",
    *TAKEN_OVER, "evaluate_steps", "damage", "restore",
    "train_classifier", "evaluate_classifier", "train_generator", "evaluate_generator", "generate",
)  # fmt: skip
_BARE = ("inventory", "ingest", "clean", "damage", "generate", *TAKEN_OVER)
PLOTTED = tuple(name for name in REPORTED if name not in _BARE)


class Params(StageParams):
    """How the page is headed."""

    title: str


def run(params: Params, inputs: Files, outputs: Files, ctx: Context) -> Metrics:
    """Write the page."""
    page = render(
        Sources(
            metrics=ctx.root / paths.METRICS,
            provenance=ctx.root / paths.PROVENANCE,
            plots=ctx.root / paths.PLOTS,
            quarantine=inputs["quarantine"],
            generated=inputs["generated"],
        ),
        params.title,
    )
    write_bytes(outputs["report"], page.encode())
    return {"bytes": len(page.encode())}


_INPUTS: dict[str, Path] = {"quarantine": paths.QUARANTINE, "generated": paths.GENERATED}
_INPUTS |= {f"{name} metrics": paths.metrics(name) for name in REPORTED}
_INPUTS |= {f"{name} provenance": paths.provenance(name) for name in REPORTED}
_INPUTS |= {f"{name} plots": paths.plots(name) for name in PLOTTED}

STAGE = Stage("report", Params, run, inputs=_INPUTS, outputs={"report": paths.REPORT})
