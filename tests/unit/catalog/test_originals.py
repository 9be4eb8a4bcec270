"""Originals are found by the catalog, read one at a time, and are what the catalog knows."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.archive.fixity import file_sha256
from pipeline.catalog.originals import read_originals, works_of
from pipeline.errors import PentimentoError
from tests.conftest import painting

SPLITS = ["test", "train", "test", "val"]


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "scans").mkdir()
    rows = []
    for number, split in enumerate(SPLITS):
        file = tmp_path / f"scans/{number}.png"
        Image.fromarray(painting(number, 60, 90)).save(file)
        rows.append((f"folder:{number}", "scans", file.name, file_sha256(file), split))
    table = pd.DataFrame(rows, columns=["id", "location", "path", "sha256", "split"])
    table.drop(columns="split").to_parquet(tmp_path / "works.parquet")
    table[["id", "split"]].iloc[::-1].to_parquet(tmp_path / "index.parquet")
    return tmp_path


def of_split(project, split):
    return works_of(project / "works.parquet", project / "index.parquet", split)


def test_the_originals_of_a_split_come_in_the_order_of_the_works(project):
    works = of_split(project, "test")
    assert list(works["id"]) == ["folder:0", "folder:2"]
    for number, picture in zip((0, 2), read_originals(works, project), strict=True):
        assert np.array_equal(picture, painting(number, 60, 90))


@pytest.mark.parametrize(("side", "shape"), [(45, (30, 45, 3)), (90, (60, 90, 3)), (500, (60, 90, 3))])
def test_only_larger_ones_are_reduced(project, side, shape):
    assert [picture.shape for picture in read_originals(of_split(project, "val"), project, side)] == [shape]


def _cut_off(file):
    file.write_bytes(file.read_bytes()[:-400])


def _swap(file):
    Image.fromarray(painting(9)).save(file)


def _lead_out(file):
    file.unlink()
    file.symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("happen", "told"),
    [
        (lambda file: file.unlink(), "folder:2: its file is gone (2.png)"),
        (_swap, "folder:2: 2.png: is another file than the one that"),
        (_cut_off, "folder:2: 2.png: is another file than the one that"),
        (_lead_out, "folder:2: 2.png: path leads out of its source"),
    ],
)
def test_a_file_that_is_no_longer_what_it_was_ends_the_run(project, happen, told):
    happen(project / "scans/2.png")
    pictures = read_originals(of_split(project, "test"), project)
    next(pictures)
    with pytest.raises(PentimentoError) as raised:
        next(pictures)
    assert told in str(raised.value) and "`pentimento sync`" in str(raised.value)


def test_a_file_that_cannot_be_decoded_is_named(project):
    _cut_off(project / "scans/3.png")
    works = of_split(project, "val")
    works["sha256"] = file_sha256(project / "scans/3.png")
    with pytest.raises(PentimentoError, match=r"folder:3: 3.png: cannot be decoded"):
        list(read_originals(works, project))
