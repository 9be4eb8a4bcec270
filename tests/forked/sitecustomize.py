"""Python runs this as it starts, where this folder is in PYTHONPATH: `python -m pipeline …` is handed over.

The server of stages (server.py) does the work in a process that has imported everything. This process waits
for it and ends with its exit code, so that DVC sees no difference but the time.
"""

import os
import sys


def _hand_over() -> None:
    import json
    import socket

    request = {"arguments": sys.orig_argv[3:], "folder": str(os.getcwd()), "environment": dict(os.environ)}  # noqa: PTH109
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(os.environ["STAGE_SERVER"])
        socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
        answer = server.recv(1)
    os._exit(answer[0] if answer else 70)  # no answer: the stage was killed


if sys.orig_argv[1:3] == ["-m", "pipeline"] and "STAGE_SERVER" in os.environ:
    _hand_over()
