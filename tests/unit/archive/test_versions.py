"""Files that outlive a run: an unknown format version is refused in one line, a file without one is read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from pipeline.archive.ledger import Entry, Ledger
from pipeline.archive.packs import Pack
from pipeline.archive.shards import INDEX, Shards, write_shards
from pipeline.archive.tables import read_table, write_table
from pipeline.errors import PentimentoError
from pipeline.models.cnn import PlainCNN
from pipeline.models.registry import load_card, load_model, save_model
from pipeline.restoration.methods.measured import best_fillers, best_methods
from pipeline.restoration.runs.shard import read_journal

PICTURE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
NOTE = {"work": "a.png", "id": "1-1", "space": "s", "retry": True, "seconds": 0.1, "error": "why"}
BEST = {"best": "telea"}


def open_ledger(path: Path) -> object:
    with Ledger(path, "s") as ledger:
        return ledger.get(["k"])


def open_pack(path: Path) -> object:
    with Pack(path):
        return None


def ledger_of(path: Path, version: int) -> None:
    with Ledger(path, "s") as ledger:
        ledger.put({"k": Entry(1)})
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version = {version}")


def pack_of(path: Path, version: int) -> None:
    path.write_bytes(b"PENTPAC" + bytes([version]) + b"8 bytes." + PICTURE.tobytes())


def table_of(path: Path, version: int) -> None:
    write_table(path, pd.DataFrame({"id": ["a"]}))
    table = pyarrow.parquet.read_table(path)
    stated = {**(table.schema.metadata or {}), b"format_version": str(version).encode()}
    pyarrow.parquet.write_table(table.replace_schema_metadata(stated), path)


def card_of(path: Path, version: int) -> None:
    save_model(path.parent, PlainCNN(2, 4), "cnn", {"outputs": 2, "width": 4}, {})
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": version}))


def methods_of(path: Path, version: int) -> None:
    path.write_text(json.dumps({"format_version": version, "by_shape": {"thin": BEST, "wide": BEST}}))


def steps_of(path: Path, version: int) -> None:
    path.write_text(json.dumps({"format_version": version, "detect": {"best": "classical"}}))


def journal_of(path: Path, version: int) -> None:
    path.write_text(json.dumps(NOTE) + "\n" + json.dumps(NOTE | {"format_version": version}) + "\n")


Writer, Reader = Callable[[Path, int], None], Callable[[Path], object]
FILES: dict[str, tuple[str, Writer, Reader]] = {
    "ledger": ("ledger.sqlite", ledger_of, open_ledger),
    "pack": ("384.bin", pack_of, open_pack),
    "table": ("catalog.parquet", table_of, read_table),
    "index of shards": (INDEX, table_of, lambda path: Shards(path.parent).index),
    "model card": ("card.json", card_of, lambda path: load_model(path.parent)),
    "choice of fillers": ("methods.json", methods_of, best_fillers),
    "choice of methods": ("steps.json", steps_of, best_methods),
    "journal": ("000000.jsonl", journal_of, lambda path: list(read_journal(path))),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_version_that_is_written_today_is_read(tmp_path: Path, kind: str) -> None:
    name, write, read = FILES[kind]
    write(tmp_path / name, 1)
    read(tmp_path / name)


@pytest.mark.parametrize("kind", FILES)
def test_an_unknown_version_is_refused_with_one_line(tmp_path: Path, kind: str) -> None:
    name, write, read = FILES[kind]
    write(tmp_path / name, 7)
    with pytest.raises(PentimentoError, match=r"format version 7, .* up to version 1; .* or ") as refusal:
        read(tmp_path / name)
    message = str(refusal.value)
    assert message.startswith(str(tmp_path / name))
    assert "\n" not in message


def test_the_documented_refusal_is_the_real_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pack = Path(".state/packs/384.bin")
    pack.parent.mkdir(parents=True)
    pack_of(pack, 2)
    with pytest.raises(PentimentoError) as refusal:
        Pack(pack)
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
    assert f"\n{refusal.value}\n" in page


@pytest.mark.parametrize("version", ['"1"', "true", "0", "1.5"])
def test_what_is_no_version_is_refused(tmp_path: Path, version: str) -> None:
    card_of(tmp_path / "card.json", 1)
    text = (tmp_path / "card.json").read_text()
    (tmp_path / "card.json").write_text(text.replace('version": 1', f'version": {version}'))
    with pytest.raises(PentimentoError, match="is a model card of format version"):
        load_card(tmp_path)


def test_a_ledger_without_a_version_keeps_its_items_and_gets_one(tmp_path: Path) -> None:
    ledger_of(tmp_path / "ledger.sqlite", 0)
    assert open_ledger(tmp_path / "ledger.sqlite") == {"k": Entry(1)}
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_pack_without_a_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "384.bin").write_bytes(bytes(range(16)) + PICTURE.tobytes())
    with Pack(tmp_path / "384.bin") as pack:
        place = pack.append(PICTURE)
        first = place | {"start": 16}
        assert place["pack"] == bytes(range(16)).hex()
        assert np.array_equal(pack.read(first), PICTURE)


def test_two_new_packs_have_different_ids(tmp_path: Path) -> None:
    with Pack(tmp_path / "a.bin") as first, Pack(tmp_path / "b.bin") as second:
        assert not second.holds(first.append(PICTURE))


def test_a_card_of_version_1_states_no_version(tmp_path: Path) -> None:
    save_model(tmp_path, PlainCNN(2, 4), "cnn", {"outputs": 2, "width": 4}, {})
    card = json.loads((tmp_path / "card.json").read_text())
    assert card == load_card(tmp_path) == {"architecture": "cnn", "arguments": {"outputs": 2, "width": 4}}


def test_tables_and_shards_of_version_1_state_no_version(tmp_path: Path) -> None:
    index = write_shards(tmp_path, [("a", PICTURE)])
    write_table(tmp_path / INDEX, index)
    assert b"format_version" not in (pyarrow.parquet.read_schema(tmp_path / INDEX).metadata or {})
    assert np.array_equal(Shards(tmp_path)[0], PICTURE)
