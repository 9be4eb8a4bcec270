"""The graph of dvc.yaml: find stale stages and run one stage."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from pipeline import environment, paths
from pipeline.errors import PentimentoError

Say = Callable[[str], None]

_BUSY = re.compile(r"is busy|Unable to acquire lock", re.IGNORECASE)
# DVC prints this advice after each stage. It helps at a prompt and is noise in a log of twenty stages.
_ADVICE = re.compile(
    r"^(To track the changes|To enable auto staging|Use `dvc push`|\s+git add |\s+dvc config )"
)
_TAIL = 30  # lines of a failed stage's log that its error repeats


@dataclass(frozen=True)
class Node:
    """A stage in the graph, with the stages it needs and why it would run (None: it is up to date)."""

    name: str
    needs: tuple[str, ...]
    reason: str | None


class StageFailed(PentimentoError):
    """A stage ended with an error.

    `passing` is true when a retry may help: the stage was killed, or DVC was busy. An error that the stage
    itself explained would occur again.
    """

    def __init__(self, message: str, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


class Interruption:
    """Ends the stages of a run; signals do not reach their threads.

    As a context manager it ends them on an error, on Ctrl-C and on SIGTERM. Stages that start later fail
    at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self.called = False

    def __enter__(self) -> Interruption:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.call()

    def call(self) -> None:
        """End what runs, with all that it has started."""
        with self._lock:
            self.called = True
            running = list(self._running)
        for process in running:
            _end_group(process)

    @contextmanager
    def of(self, process: subprocess.Popen[str]) -> Iterator[None]:
        """For as long as this lasts, a call ends the process, too; afterwards it has ended."""
        with self._lock:
            self._running.add(process)
        try:
            if self.called:
                _end_group(process)
            yield
        finally:
            _end_group(process)
            with self._lock:
                self._running.discard(process)

    def check(self, name: str) -> None:
        """Raise StageFailed for the stage of this name once the run is interrupted."""
        if self.called:
            raise StageFailed(f"stage {name} was interrupted", passing=False)


def plan(root: Path) -> list[Node]:
    """Every stage in an order in which they can run, each with the reason why it would.

    Raises:
        PentimentoError: when there is no git or DVC repository, or dvc.yaml is not valid.
    """
    with open_repo(root) as repo:
        graph = repo.index.graph
        needs = {s.name: tuple(sorted(need.name for need in graph.successors(s))) for s in repo.index.stages}
        own = {name: _explain(changes) for name, changes in repo.status().items()}
    nodes: dict[str, Node] = {}
    for name in TopologicalSorter(needs).static_order():
        stale = [need for need in needs[name] if nodes[need].reason]
        reason = own.get(name) or (f"after {', '.join(stale)}" if stale else None)
        nodes[name] = Node(name, needs[name], reason)
    return list(nodes.values())


@contextmanager
def open_repo(root: Path) -> Iterator[Any]:
    """The DVC repository at `root`; what is wrong with it is said in one line."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    require_git(root)
    try:
        with Repo(str(root)) as repo:
            yield repo
    except (SCMError, DvcException) as error:
        raise PentimentoError(f"DVC: {' '.join(str(error).split())}") from None


def require_git(root: Path) -> str:
    """The commit that `root` is at, abbreviated; '(no commit yet)' before the first one.

    Raises:
        PentimentoError: when git is not installed, there is no repository, or it is another user's.
    """
    if not shutil.which("git"):
        raise PentimentoError("git is not installed; on Debian or Ubuntu: `apt install git`")
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        raise PentimentoError(
            f"{root} is no git repository (a downloaded archive?), and DVC needs one; "
            "run `git init && git add -A && git commit -m 'Import'` in it"
        )
    command = ["git", "-C", str(root), "rev-parse", "--short", "--verify", "-q", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if "dubious ownership" in answer.stderr:
        raise PentimentoError(
            f"git refuses {root}, which belongs to another user; if you trust it: "
            f"`git config --global --add safe.directory {root}`"
        )
    return answer.stdout.strip() or "(no commit yet)"


def run(
    root: Path, name: str, say: Say, force: bool = False, interruption: Interruption | None = None
) -> float:
    """Run one stage by `dvc repro --single-item`; the seconds it took.

    Its output goes line by line to `say` and to `.state/logs/<stage>.log`. It runs in a process
    group of its own, which is ended when this call is interrupted, or its `interruption` is called.

    Raises:
        StageFailed: with the end of its log.
    """
    interruption = interruption or Interruption()
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", name]
    if force:
        command.append("--force")
    started = time.monotonic()
    log = environment.state_dir(root) / paths.LOGS / f"{name}.log"
    for attempt in range(5):
        interruption.check(name)
        code, lines = _stream(command, root, log, say, interruption)
        if code == 0:
            return time.monotonic() - started
        interruption.check(name)
        if not any(_BUSY.search(line) for line in lines):
            break
        time.sleep(1 + attempt)  # another process holds DVC's lock for a moment
    own = next((line for line in reversed(lines) if line.startswith("error: ")), None)
    detail = own.removeprefix("error: ") if own else "\n".join(lines)
    raise StageFailed(f"stage {name} failed (exit {code}): {detail}", passing=own is None)


def _stream(
    command: list[str], root: Path, log: Path, say: Say, interruption: Interruption
) -> tuple[int, list[str]]:
    tail: deque[str] = deque(maxlen=_TAIL)
    log.parent.mkdir(parents=True, exist_ok=True)
    # DVC runs `python -m pipeline …`: this must be this environment's Python, also when it is not activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            cwd=root,
            env={
                **os.environ,
                "PATH": path,
                "PYTHONUNBUFFERED": "1",
                "OMP_NUM_THREADS": str(environment.threads()),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
        interruption.of(process),
    ):
        for line in process.stdout or ():
            file.write(line)
            file.flush()
            if line.strip() and not _ADVICE.match(line):
                tail.append(line.rstrip())
                say(line.rstrip())
        return process.wait(), list(tail)


def _end_group(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):  # it may end by itself in between
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _explain(changes: list[Any]) -> str:
    """DVC's status of one stage, in words."""
    reasons = []
    for change in changes:
        if isinstance(change, str):
            reasons.append(change)
            continue
        for kind, files in change.items():
            if kind == "changed deps":
                reasons += [_dependency(name, state) for name, state in files.items()]
            else:
                reasons += [f"{name} is {_state(state)}" for name, state in files.items()]
    uncached = [reason for reason in reasons if reason.endswith("is not in cache")]
    if uncached:
        reasons = [
            *(r for r in reasons if r not in uncached),
            f"{len(uncached)} outputs are not in DVC's cache",
        ]
    missing = [reason for reason in reasons if reason.endswith("is missing")]
    return "; ".join((missing or reasons)[:3]) + ("; …" if len(missing or reasons) > 3 else "")


def _dependency(name: str, state: Any) -> str:
    if isinstance(state, dict):  # parameters: key -> state
        return ", ".join(f"{key} {_state(value)}" for key, value in state.items())
    return f"{name} is {_state(state)}"


def _state(state: Any) -> str:
    return "missing" if state == "deleted" else str(state)
