"""Prefect's settings for a machine without a network; call before Prefect is imported."""

from __future__ import annotations

import os

_DEFAULTS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The temporary server takes 12 s on an idle laptop; Prefect gives up after 20 on a busy one.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


def settle() -> None:
    """Set what the user's environment does not set."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
