"""Prefect on a machine without a network: its settings, and the temporary server where none is configured."""

from __future__ import annotations

import os
import signal
import sys

_DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The temporary server takes 12 s on an idle laptop; Prefect gives up after 20 on a busy one.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


def settle() -> None:
    """Set what the user's environment does not set; call before Prefect is imported."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def start_server() -> None:
    """Start the temporary server, unless another one is configured; it ends when this process ends.

    SIGTERM then ends this process in order, so that the server does not stay behind. The server does not
    hear Ctrl-C, which reaches it, too, at a terminal: without it a flow cannot end, but tries to reach it.
    """
    from prefect.client.orchestration import get_client

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        get_client(sync_client=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
