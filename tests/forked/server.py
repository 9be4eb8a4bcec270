"""Stages without the seconds that their imports take: a server forks a process for each `python -m pipeline`.

`python -m tests.forked.server SOCKET` imports all stages, says "ready", and serves until it is ended.
Processes that have `environment(SOCKET)` use it; see sitecustomize.py. A stage still runs in a process of its
own, with the folder, the environment and the standard streams of the process that asked.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent
_LARGEST = 1 << 20  # bytes of a request


def environment(address: Path) -> dict[str, str]:
    """What sends a process, and all that it starts, to the server."""
    return {"STAGE_SERVER": str(address), "PYTHONPATH": str(FOLDER)}


@contextmanager
def served(address: Path) -> Iterator[dict[str, str]]:
    """A server for as long as this lasts; gives the environment that leads to it."""
    command = [sys.executable, "-m", "tests.forked.server", str(address)]
    with subprocess.Popen(
        command, cwd=FOLDER.parents[1], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "the server of stages did not start"
            yield environment(address)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # stages that are left over, too


# What stages import only as they run.
_LATER = (
    "albumentations", "lightning.fabric", "onnxruntime", "openvino", "pandas.io.parquet",
    "pandera.backends.pandas.register", "pyarrow.dataset", "scipy.stats", "sklearn.linear_model",
    "sklearn.model_selection", "torch",
)  # fmt: skip


def _serve(address: str) -> None:
    from pipeline import stages

    for name in stages.names():
        stages.load(name)
    for module in _LATER:
        importlib.import_module(module)
    gc.freeze()  # what is here now stays: no child copies it only to look for garbage
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(address)
        server.listen()
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _run(connection)
            connection.close()


def _run(connection: socket.socket) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        content, streams, _, _ = socket.recv_fds(connection, _LARGEST, 3)
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        request = json.loads(content)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.argv = ["pipeline", *request["arguments"]]
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        from pipeline.__main__ import main

        code = main()
    except SystemExit as error:  # argparse ends so
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  (whatever it was: the one who asked sees it, as from a process of its own)
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.send(bytes([code]))
    os._exit(code)


def _end_with(connection: socket.socket) -> None:
    """End this process when the one that asked has ended."""
    if not connection.recv(1):
        os._exit(1)


if __name__ == "__main__":
    _serve(sys.argv[1])
