"""A stage on several processes of this machine: torchrun's engine starts it anew, and watches."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from lt import process

LOOPBACK = "127.0.0.1"
GOES_ON = "the next run goes on from the last checkpoint, with any number of processes"


def here(processes: int) -> bool:
    """Check whether the stage trains in this process, one of those of torchrun or the only one."""
    return processes == 1 or "TORCHELASTIC_RUN_ID" in os.environ


def start(module: str, processes: int) -> None:
    """Run `python -m <module>` in several processes, until all have ended well.

    They talk to each other through 127.0.0.1, on a port that is free.

    Raises:
        process.Failed: if one ends in another way, which ends all.
        process.Stopped: if a signal stops this process, which stops all.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    logging.disable(logging.CRITICAL)  # what torchrun says is said here, in one line
    with tempfile.TemporaryDirectory() as logs:
        try:
            elastic_launch(_config(processes, logs), sys.executable)("-m", module)
        except ChildFailedError as error:
            raise process.Failed(_why(error.failures, processes)) from None
        except SignalException as stop:
            stopped = process.Stopped(int(stop.sigval))
            stopped.add_note(GOES_ON)
            raise stopped from None


def _config(processes: int, logs: str) -> Any:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig

    if "lo" in [name for _, name in socket.if_nameindex()]:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{LOOPBACK}:0",
        local_addr=LOOPBACK,
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=logs),
    )


def _why(failures: dict[int, Any], processes: int) -> str:
    """Return the message of the process that was the first to end: what it said, if it could."""
    told = [one for one in failures.values() if Path(one.error_file).exists()]
    if told:
        return str(min(told, key=lambda one: one.timestamp).message)

    def order(item: tuple[int, Any]) -> tuple[bool, int]:  # signals first, but for that of the end
        return item[1].exitcode == -signal.SIGTERM, item[1].exitcode

    rank, one = min(failures.items(), key=order)
    how = f"ended with exit status {one.exitcode}"
    if one.exitcode < 0:
        how = f"was killed by {signal.Signals(-one.exitcode).name}"
    return f"process {rank} of {processes} ({one.pid}) {how}, which ended the others; {GOES_ON}"
