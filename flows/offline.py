"""Prefect without a network: its settings, and a local server unless one is configured.

PREFECT_API_URL or a Prefect profile configures a server.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pipeline.errors import PentimentoError

_DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The temporary server takes 12 s on an idle laptop; Prefect gives up after 20 on a busy one.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}
_PORT = 4200  # of Prefect's server, unless something else has it
_PATIENCE = 180  # seconds for a server to start


def configure_prefect() -> None:
    """Set Prefect's variables that the environment does not set; call before Prefect is imported."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def start_server() -> None:
    """Start the temporary server, unless another one is configured; it ends when this process ends.

    SIGTERM then exits this process normally, so that the server ends too. A terminal sends Ctrl-C to the
    server as well. The server ignores it, because a flow needs the server to end.
    """
    from prefect.client.orchestration import get_client

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        get_client(sync_client=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def scheduling_server() -> Iterator[str]:
    """Start a server that runs schedules, which the temporary server does not; yields the address of its API.

    The server ends with the context. Its record of runs stays in Prefect's database. It ignores Ctrl-C.

    Raises:
        PentimentoError: when it does not start.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if configured := PREFECT_API_URL.value():
        yield configured
        return
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "ERROR"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            _wait_for(server, address)
            with temporary_settings({PREFECT_API_URL: f"{address}/api"}):
                yield f"{address}/api"
        finally:
            server.terminate()


def _free_port() -> int:
    for port in (_PORT, 0):
        with socket.socket() as trial, suppress(OSError):
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last server's may linger
            trial.bind(("127.0.0.1", port))
            return int(trial.getsockname()[1])
    raise PentimentoError("no port of 127.0.0.1 is free for Prefect's server")


def _wait_for(server: subprocess.Popen[bytes], address: str) -> None:
    import httpx

    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if server.poll() is not None:
            raise PentimentoError(f"Prefect's server ended as it started (exit {server.returncode})")
        with suppress(httpx.HTTPError):
            if httpx.get(f"{address}/api/health", timeout=5).is_success:
                return
        time.sleep(0.2)
    raise PentimentoError(f"Prefect's server did not answer at {address} within {_PATIENCE} s")
