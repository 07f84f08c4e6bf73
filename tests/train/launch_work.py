"""A stage that ends as LT_TEST_END says in process 1, and waits for that in process 0."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence

from lt.process import Gone
from stages import main


def run(_arguments: Sequence[str]) -> None:
    end, first = os.environ["LT_TEST_END"], os.environ["RANK"] == "0"
    if end == "well":
        return
    if first:
        time.sleep(0.5)
        if end == "gone":
            raise Gone("Connection closed by peer")
        time.sleep(60)
    if end == "message":
        raise ValueError("train.lr: too large")
    if end == "status":
        sys.exit(7)
    time.sleep(1.0 if end == "gone" else 0.0)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(run)
