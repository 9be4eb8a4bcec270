from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from pipeline.catalog.missing import impute_plot, impute_table
from pipeline.catalog.missing.impute_figures import macro_f1
from pipeline.catalog.missing.impute_report import Hiding, all_methods, compare
from pipeline.errors import PentimentoError
from pipeline.resampling.bootstrap import ClusterBootstrap


def works(size: int = 90, artists: int = 30) -> pd.DataFrame:
    """Works of artists; medium tells the school, and the year follows from the span."""
    rng = np.random.default_rng(0)
    artist = np.arange(size) % artists
    school = np.array(["Dutch", "French", "Chinese"])[artist % 3]
    span = rng.uniform(0, 10, size)
    table = pd.DataFrame(
        {
            "title": [f"work {n}" for n in range(size)],
            "artist": [f"artist {n}" for n in artist],
            "medium": np.array(["oil", "pastel", "ink"])[artist % 3],
            "span": span,
            "school": pd.Series(school, dtype="string"),
            "nationality": school,
            "year": pd.Series(np.round(1600 + 20 * span), dtype="Int64"),
        }
    )
    table.loc[:4, "school"] = None
    return table


def test_the_method_that_knows_is_best_and_intervals_hold_their_figures() -> None:
    methods = ["fill:mode", "fill:mean", "regress:linear", "nearest:columns"]
    hiding = Hiding(folds=3, group="artist", repeats=200)
    school, year = compare(works(), ["school", "year"], methods, None, hiding)
    assert (school["known"], school["missing"], school["hidden"], school["groups"]) == (85, 5, 85, 30)
    assert school["best"] in ("regress:linear", "nearest:columns")
    assert year["best"] == "regress:linear"
    assert year["methods"][0]["mae"]["value"] < 5
    assert [one["method"] for one in school["unsuited"]] == ["fill:mean"]
    for report, figure in ((school, "accuracy"), (year, "mae")):
        for row in report["methods"]:
            for one in (row[figure], row["gain"], row["baseline"]):
                assert one["low"] <= one["value"] <= one["high"]
            assert row["coverage"] == 1
            if row["method"] == report["baseline"]:
                assert row["gain"] == {"value": 0, "low": 0, "high": 0}
                assert row["baseline"] == row[figure]


def test_what_tells_the_same_fact_and_an_artists_other_works_are_hidden_too() -> None:
    table = works().drop(columns=["medium"])  # left: the artist, whose works are hidden together
    table["school"] = table["school"].fillna("Dutch")
    alone, together = (
        compare(table, ["school"], ["regress:forest"], None, Hiding(folds=3, group=group, repeats=50))[0]
        for group in (None, "artist")
    )

    def accuracy(report: dict) -> float:
        return next(row for row in report["methods"] if row["method"] == "regress:forest")["accuracy"][
            "value"
        ]

    assert accuracy(together) < 0.55, "nationality and other works of the artist give the school away"
    assert accuracy(together) < accuracy(alone)


def test_equal_seeds_give_equal_reports() -> None:
    one, other = (
        compare(works(), ["year"], ["regress:forest"], None, Hiding(folds=2, seed=seed, repeats=50))
        for seed in (1, 1)
    )
    assert one == other
    assert impute_plot.page(one, "n") == impute_plot.page(other, "n")


def test_what_is_refused_lowers_coverage_and_gains_nothing() -> None:
    table = works()
    features = np.random.default_rng(1).normal(0, 1, (len(table), 4)).astype(np.float32)
    features[::2] = np.nan  # no picture
    picture = {"method": "picture", "accept": 0}
    (report,) = compare(table, ["school"], [picture], features, Hiding(folds=3, repeats=50))
    row = next(row for row in report["methods"] if row["method"] == "picture accept=0.0")
    assert 0.4 < row["coverage"] < 0.6
    assert report["best"] == "fill:mode"


def test_a_share_is_hidden_once() -> None:
    (report,) = compare(works(), ["year"], ["fill:mean"], None, Hiding(share=0.2, group="artist", repeats=50))
    assert 15 <= report["hidden"] <= 21


def test_too_little_to_compare_is_said() -> None:
    with pytest.raises(
        PentimentoError, match="'year' has 10 known values; to compare methods it takes at least 20"
    ):
        compare(works(10, 5), ["year"], ["fill:mean"], None, Hiding())
    with pytest.raises(PentimentoError, match="5 parts need as many groups of works, there are 3"):
        compare(works(30, 3), ["year"], ["fill:mean"], None, Hiding(group="artist"))
    with pytest.raises(PentimentoError, match="it completes numbers, the column holds names"):
        compare(works(), ["school"], ["iterative"], None, Hiding())
    with pytest.raises(PentimentoError, match="there is no column 'who' to group by"):
        compare(works(), ["year"], ["fill:mean"], None, Hiding(group="who"))


def test_macro_f1_is_that_of_the_usual_definition() -> None:
    rng = np.random.default_rng(0)
    truth, said = (rng.choice(["a", "b", "c"], 60) for _ in range(2))
    found = macro_f1(ClusterBootstrap(np.arange(60), 100, 0), truth, said)
    assert found is not None
    assert found["value"] == pytest.approx(f1_score(truth, said, average="macro"), abs=1e-4)
    assert found["low"] <= found["value"] <= found["high"]


def test_interpolation_follows_the_named_order() -> None:
    assert {"method": "interpolate", "curve": "spline", "order": "death"} in all_methods("death")
    assert "interpolate:spline" in all_methods()
    assert "drop" not in all_methods()


def test_columns_are_read_as_asked(tmp_path: Path) -> None:
    file = tmp_path / "objects.csv"
    file.write_text(
        "\ufeffborn_on,land,size\n1840-01-01,France,3\n-1350-01-01,,x\nc. 1612 (?),Italy,5\n,Spain,\n"
    )
    columns = impute_table.parse_columns("birth=born_on:year, land, height=size:number")
    table = impute_table.take(impute_table.load(file), columns)
    assert table["birth"].tolist()[:3] == [1840, -1350, 1612]
    assert table["birth"].isna().tolist() == [False, False, False, True]
    assert table["height"].isna().tolist() == [False, True, False, True]
    assert sorted(table.columns) == ["birth", "height", "land"]


@pytest.mark.parametrize(
    ("written", "said"),
    [("a=b=c", "is not understood"), ("a:date", "is not understood"), ("", "no column is named"),
     ("a=b, a=c", "two columns are called 'a'")],
)  # fmt: skip
def test_columns_that_are_not_understood(written: str, said: str) -> None:
    with pytest.raises(PentimentoError, match=said):
        impute_table.parse_columns(written)


def test_tables_that_cannot_be_read(tmp_path: Path) -> None:
    for name, content, said in (
        ("a.csv", b"", "is not a table"),
        ("b.csv", b"a,b\n", "has no rows"),
        ("c.csv", b"\xff\xfe\x00a\n", "is not a table"),
        ("d.parquet", b"PAR1", "cannot be read"),
        ("e.txt", b"a", "a table is a .parquet, .csv or .tsv file"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PentimentoError, match=said):
            impute_table.load(tmp_path / name)
    with pytest.raises(PentimentoError, match="there is no file"):
        impute_table.load(tmp_path / "none.csv")


def test_the_page_escapes_names_and_needs_no_network() -> None:
    table = works().rename(columns={"school": "<school>"})
    reports = compare(table, ["<school>"], ["regress:linear", "iterative"], None, Hiding(folds=2, repeats=20))
    page = impute_plot.page(reports, "Hidden & found.")
    assert "<h2>&lt;school&gt;</h2>" in page
    assert "<school>" not in page
    assert "Hidden &amp; found." in page
    assert "http" not in page
    assert page.count("<circle") == len(reports[0]["methods"])


def command(*arguments: str) -> tuple[int, str, str]:
    import typer
    from typer.testing import CliRunner

    from flows.commands.impute_report import impute_report

    app = typer.Typer()
    app.command()(impute_report)
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    return done.exit_code, done.stdout, str(done.exception)


def test_the_command_compares_a_csv_prints_and_draws(tmp_path: Path) -> None:
    works().to_csv(tmp_path / "objects.csv", index=False)
    arguments = [
        tmp_path / "objects.csv", "--columns", "land=school, made=year:year", "--predictors", "medium, span",
        "--methods", "{method: nearest, by: columns, neighbours: 3}, regress:linear", "--folds", "3",
        "--page", tmp_path / "page.html",
    ]  # fmt: skip
    code, printed, error = command(*arguments)
    assert (code, error) == (0, "None")
    assert "regress:linear" in printed
    assert "nearest:columns neighbours=3" in (tmp_path / "page.html").read_text()
    code, printed, _ = command(*arguments, "--json")
    land, made = json.loads(printed)
    assert (land["column"], land["kind"], made["column"], made["kind"]) == ("land", "name", "made", "number")
    assert land["groups"] == 30, "works of an artist are hidden together where the table has artists"
    assert made["best"] == "regress:linear"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dry-run"], "--dry-run goes with --write"),
        (["--methods", "{method:["], "is not a list of names and mappings"),
        (["--methods", "regres"], "there is no such method"),
        (["--columns", "nosuch"], "there is no column 'nosuch'"),
        (["--group", "nosuch"], "there is no column 'nosuch' to group by"),
        (["--columns", "year", "--predictors", "year, span"], "is in --columns and in --predictors"),
        (["--features", "none.npy"], "is not an array in a .npy file"),
    ],
)
def test_what_the_command_refuses(tmp_path: Path, arguments: list[str], said: str) -> None:
    works().to_csv(tmp_path / "objects.csv", index=False)
    code, _, error = command(str(tmp_path / "objects.csv"), *arguments)
    assert code == 1
    assert said in error


def test_the_best_goes_into_the_projects_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    before = (Path(__file__).resolve().parents[4] / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(before)
    (tmp_path / "data").mkdir()
    works().to_parquet(tmp_path / "data" / "works.parquet")
    monkeypatch.chdir(tmp_path)
    methods = ("--methods", "regress:linear", "--folds", "3")
    code, printed, _ = command(*methods, "--write", "--dry-run")
    assert code == 0
    assert "clean.missing.school: nearest -> regress:linear" in printed
    assert (tmp_path / "params.yaml").read_text() == before
    assert command(*methods, "--write")[0] == 0
    assert "    school: regress:linear" in (tmp_path / "params.yaml").read_text()
    assert (tmp_path / "reports" / "impute-report.html").is_file()
    assert "unknown key 'clean.missing.span'" in command("--columns", "span", "--write")[2]
