"""The progress of a run while its shards are processed, read from their journals."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.progress import Progress
from pipeline.restoration.runs.run import ArchiveRun
from pipeline.restoration.runs.shard import Shard, journals


@dataclass
class _Journal:
    """The part of a journal read so far."""

    place: int = 0  # bytes read
    works: int = 0
    failed: int = 0
    megapixels: float = 0.0


@dataclass
class Watch:
    """Adds the journals of shards in progress to a run's summary; it reads each byte once."""

    run: ArchiveRun
    _seen: dict[int, _Journal] = field(default_factory=dict)

    def look(self) -> Progress:
        """The progress of this run so far: works, megapixels and failures."""
        collected = set(self.run.collected)
        open_ones = [shard for shard in self.run.shards if shard.number not in collected]
        parts = [self._read(shard) for shard in open_ones if self._path(shard).exists()]
        summary, before = self.run.summary, len(self.run.plan.failures)
        failed = len(self.run.failures) - before
        return Progress(
            works=summary.restored + summary.copied + failed + sum(part.works for part in parts),
            amount=summary.megapixels + sum(part.megapixels for part in parts),
            failed=failed + before + sum(part.failed for part in parts),
        )

    def _path(self, shard: Shard) -> Path:
        return journals(self.run.request.out) / f"{shard.number:06d}.jsonl"

    def _read(self, shard: Shard) -> _Journal:
        part = self._seen.setdefault(shard.number, _Journal())
        try:
            with self._path(shard).open("rb") as handle:
                handle.seek(part.place)
                fresh = handle.read()
        except FileNotFoundError:  # the run has collected it meanwhile
            return part
        whole = fresh[: fresh.rfind(b"\n") + 1]
        part.place += len(whole)
        for line in whole.splitlines():
            try:
                note = json.loads(line)
                megapixels = float(note["value"]["megapixels"]) if "value" in note else 0.0
                counts = "work" in note and ("value" in note or "error" in note)
            except (ValueError, KeyError, TypeError):  # damaged by a killed process
                continue
            part.works += counts
            part.failed += "error" in note
            part.megapixels += megapixels
        return part
