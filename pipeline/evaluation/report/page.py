"""What the report shows, gathered from the stages' metrics, plots and provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline import paths
from pipeline.evaluation.report import charts
from pipeline.evaluation.report.template import figure, fill

MAX_ROWS = 50  # of a table of works; the files hold all of them


@dataclass(frozen=True)
class Sources:
    """The folders and files that the page reads, as absolute paths."""

    metrics: Path  # <stage>.json
    provenance: Path  # <stage>.json
    plots: Path  # <stage>/…
    quarantine: Path  # a table with path and reason
    generated: Path  # holds grid.png


def render(sources: Sources, title: str) -> str:
    """The page as HTML. Equal inputs give equal bytes: the page holds no time and no host."""
    stages = _load(sources.provenance)
    metrics = _load(sources.metrics)
    return fill(
        "page.html",
        title=title,
        m=metrics,
        stages=stages,
        headlines=headlines(metrics),
        data=_data(sources, metrics),
        classifier=_classifier(sources, metrics),
        restorer=_restorer(sources),
        enhanced=charts.picture(sources.plots / "evaluate_steps" / paths.ENHANCED),
        restored=_restored(sources),
        generator=_generator(sources),
    )


def headlines(metrics: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The four figures that people ask for first: (title, figure, what to compare it with)."""
    judged = metrics["evaluate_classifier"]
    name = "cross_validated" if "cross_validated" in judged else "test"
    school, guess = judged[name]["school"]["macro_f1"], judged[name]["most_frequent"]["school"]["macro_f1"]
    whole = metrics["restore"]["psnr_all"]
    kid = {who: metrics["evaluate_generator"][who]["KID-Lite0"] for who in ("trained", "untrained")}
    clean = metrics["clean"]
    return [
        ("works learnt from", str(clean["works"]), f"{clean['quarantined']} quarantined"),
        ("school, macro-F1", figure(school), f"most frequent class: {figure(guess)}"),
        (
            "restored works, PSNR inside the damage",
            f"{whole['inside_after']:.1f} dB",
            f"before: {whole['inside_before']:.1f} dB",
        ),
        (
            "KID-Lite0 of samples (lower is better)",
            figure(kid["trained"]),
            f"untrained: {figure(kid['untrained'])}",
        ),
    ]


def _load(folder: Path) -> dict[str, Any]:
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}


def _data(sources: Sources, metrics: Mapping[str, Any]) -> dict[str, Any]:
    balance = pd.read_csv(sources.plots / "prepare" / paths.BALANCE)
    quarantine = pd.read_parquet(sources.quarantine)
    return {
        "balance": charts.bars(
            {
                row.school: {
                    "works": row.works,
                    "weight in training": round(row.drawn * row.weight + row.synthetic, 1),
                }
                for row in balance.itertuples()
            }
        ),
        "augmentation": charts.picture(sources.plots / "prepare" / paths.AUGMENTATION),
        "quarantine": quarantine[["path", "reason"]].head(MAX_ROWS).to_dict("records"),
        "quarantined": len(quarantine),
        "labels": metrics["clean"]["labels"],
    }


def _classifier(sources: Sources, metrics: Mapping[str, Any]) -> dict[str, Any]:
    plots = sources.plots / "evaluate_classifier"
    name = "cross_validated" if "cross_validated" in metrics["evaluate_classifier"] else "test"
    rows = pd.read_csv(plots / f"confusion_{name}.csv")
    counts = pd.crosstab(rows["actual"], rows["predicted"])
    classes = sorted(set(counts.index) | set(counts.columns))
    counts = counts.reindex(index=classes, columns=classes, fill_value=0)
    per_class = pd.read_csv(plots / paths.PER_CLASS)
    tail, method = pd.read_csv(plots / paths.TAIL), metrics["prepare"]["balance"]
    compared = "f1_without" in tail
    return {
        "tail": metrics["evaluate_classifier"][name]["tail"],
        "tail_chart": _tail(tail, method),
        "why_alone": ""
        if compared
        else "There is nothing to compare with: schools are not rebalanced."
        if method == "none"
        else "There is nothing to compare with: only the recipe of a frozen trunk is trained again, where "
        "evaluate_classifier.folds is 2 or more.",
        "set": name.replace("_", "-"),
        "judged": metrics["evaluate_classifier"],
        "classes": classes,
        "confusion": [
            (cls, [(int(n), int(n) / max(1, int(row.sum()))) for n in row]) for cls, row in counts.iterrows()
        ],
        "per_class": per_class[per_class["set"] == name].drop(columns="set").round(3),
        "history": _history(sources.plots / "train_classifier" / paths.HISTORY),
    }


def _tail(table: pd.DataFrame, method: str) -> Any:
    """The F1 of every school, with rebalancing and without; the rare ones marked."""
    columns = {"f1": f"balance: {method}", "f1_without": "balance: none"}
    shown = [column for column in columns if column in table]
    return charts.bars(
        {
            f"{row['class']}{' *' if row['tail'] else ''}": {columns[n]: round(row[n], 2) for n in shown}
            for row in table.to_dict("records")
        }
    )


def _restorer(sources: Sources) -> dict[str, Any]:
    plots = sources.plots / "evaluate_restorer"
    table = pd.read_csv(plots / paths.BY_KIND)
    return {
        "psnr": table.pivot_table(index="kind", columns="method", values="psnr", sort=False).round(2),
        "ssim": table.pivot_table(index="kind", columns="method", values="ssim", sort=False).round(4),
        "panels": {file.stem: charts.picture(file) for file in sorted(plots.glob("*.png"))},
        "damage": charts.picture(sources.plots / "train_restorer" / paths.DAMAGE_SHEET),
        "history": _history(sources.plots / "train_restorer" / paths.HISTORY),
    }


def _restored(sources: Sources) -> list[dict[str, Any]]:
    plots = sources.plots / "restore"
    works = []
    for row in pd.read_csv(plots / paths.BY_WORK).to_dict("records"):
        uri, width, height = charts.data_uri(plots / row["panel"])
        # A panel is damaged | restored | truth with two gaps of 4 pixels between them.
        works.append({**row, "uri": uri, "width": (width - 8) // 3, "height": height})
    return works


def _generator(sources: Sources) -> dict[str, Any]:
    trained, judged = sources.plots / "train_generator", sources.plots / "evaluate_generator"
    grids = sorted(trained.glob("samples-*.png"))
    shown = [grids[round(n * (len(grids) - 1) / 3)] for n in range(4)] if len(grids) > 4 else grids
    return {
        "grids": [(file.stem.removeprefix("samples-"), charts.picture(file, 480)) for file in shown],
        "generated": charts.picture(sources.generated / "grid.png"),
        "neighbours": charts.picture(judged / paths.NEIGHBOURS),
        "history": _history(trained / paths.HISTORY),
    }


def _history(file: Path) -> list[tuple[str, Any]]:
    """A chart per column of a training history."""
    table = pd.read_csv(file)
    return [(name, charts.lines({name: table[name].tolist()})) for name in table.columns if name != "epoch"]
