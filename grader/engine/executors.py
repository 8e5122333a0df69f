"""Where submissions are examined: processes here, or a Dask cluster."""

from __future__ import annotations

import asyncio
import concurrent.futures as cf
import json
import logging
import multiprocessing
import os
from pathlib import Path
from typing import Any

from grader.engine.engine import Engine
from grader.engine.worker import WallUnavailableError, follow_parent

_GONE = (OSError, AttributeError, cf.CancelledError, asyncio.CancelledError)
"""What a Dask client raises whose scheduler has gone: an AttributeError once it has closed."""

_REFUSED = (OSError, ValueError, RuntimeError, TypeError, KeyError)
"""What comes of an address where nobody answers, of TLS that is set up on one side alone, and of
a file that is not a scheduler's."""

_LOGGERS = ("asyncio", "distributed", "distributed.client", "tornado", "tornado.application")


class ClusterError(Exception):
    """The cluster cannot be used; the message says why."""


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def local_engine(workers: int) -> Engine:
    """An engine on processes of this machine.

    They are forked: a worker has imported what the driver has, and starts in milliseconds. The
    driver has no threads when it forks them, and they only drive processes of their own.
    """

    def pool() -> cf.Executor:
        context = multiprocessing.get_context("fork")
        return cf.ProcessPoolExecutor(workers, context, initializer=follow_parent)

    return Engine(pool, workers, fatal=(WallUnavailableError,))


def cluster_engine(address: str) -> Engine:
    """An engine on the workers of a Dask cluster. Raises ClusterError.

    address: of the scheduler, or the name of the file (`.json`) it has written its address to.
    """
    try:
        import distributed  # noqa: PLC0415, the extra `scale`, which a laptop does not need
    except ImportError:
        raise ClusterError("Dask is not installed: pip install 'dask[distributed]'") from None

    for name in _LOGGERS:  # the run says in one line what they say in fifty
        logging.getLogger(name).setLevel(logging.CRITICAL)

    def client() -> Any:
        try:
            return distributed.Client(_written(address), timeout=5)  # type: ignore[no-untyped-call]
        except _REFUSED as error:
            raise ClusterError(f"no Dask scheduler answers at {address} ({error})") from error

    missing = f"the Dask cluster at {address} has no workers: start some"
    connected = client()
    try:
        connected.wait_for_workers(1, timeout=20)
    except TimeoutError:
        raise ClusterError(missing) from None
    workers = sum(connected.nthreads().values())

    def executor() -> cf.Executor:
        nonlocal connected
        if connected.status != "running":
            connected = client()
        made: cf.Executor = connected.get_executor(pure=False)
        return made

    def trouble() -> str:
        try:
            return "" if connected.nthreads() else f"{missing}; the run goes on when there are"
        except _GONE:
            if connected.status == "closed":  # now and then it forgets to cancel what it was given
                raise ClusterError(f"no Dask scheduler answers at {address} any more") from None
            return f"the Dask scheduler at {address} does not answer"

    deaths = (distributed.scheduler.KilledWorker, distributed.client.ClosedClientError)
    fatal = (WallUnavailableError,)
    return Engine(executor, workers, deaths=deaths, fatal=fatal, trouble=trouble)


def _written(address: str) -> str:
    """The address itself, or the one that a scheduler's file holds."""
    if not address.endswith(".json"):
        return address
    return str(json.loads(Path(address).read_text())["address"])
