from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.archive.ledger import Entry, Ledger

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet=st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(alphabet=st.characters(codec="utf-8"), max_size=20), json_values, max_size=8))
def test_what_is_put_comes_back(values: dict[str, object]) -> None:
    with Ledger(Path(":memory:"), "s") as ledger:
        ledger.put({key: Entry(value) for key, value in values.items()})
        assert {key: e.value for key, e in ledger.get(values).items()} == values


def test_spaces_do_not_see_each_other(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    with Ledger(file, "one") as one, Ledger(file, "two") as two:
        one.put({"k": Entry(1), "bad": Entry(error="why")})
        assert two.get(["k", "bad"]) == {}
        assert one.get(["k", "bad"]) == {"k": Entry(1), "bad": Entry(error="why")}
        assert (len(one), len(two)) == (2, 0)


WRITER = """
import sys
from pathlib import Path
from pipeline.archive.ledger import Entry, Ledger
ledger = Ledger(Path(sys.argv[1]), "s")
for n in range(100000):
    ledger.put({f"{n}": Entry(n), f"{n}-twin": Entry(n)})
    print(n, flush=True)
"""


def test_after_a_kill_every_recorded_item_is_there_and_none_is_half(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    command = [sys.executable, "-c", WRITER, str(file)]
    for wanted in (3, 17):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            seen = [int(process.stdout.readline()) for _ in range(wanted)]
            os.kill(process.pid, signal.SIGKILL)
        with Ledger(file, "s") as ledger:
            found = ledger.get([f"{n}" for n in range(1000)] + [f"{n}-twin" for n in range(1000)])
        assert {f"{n}" for n in seen} <= set(found)
        assert {key for key in found if not key.endswith("-twin")} == {
            key.removesuffix("-twin") for key in found if key.endswith("-twin")
        }
        json.dumps({key: e.value for key, e in found.items()})
