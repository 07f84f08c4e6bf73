"""Fill the grid, on this machine or on any Dask cluster.

    python -m paper.run                   every cell that has no score yet, most important first
    python -m paper.run --match split     those whose names hold "split"
    python -m paper.run --match "cifar10-step*_s0"     * stands for anything
    python -m paper.run --match timed     those for the table of times, one by one
    python -m paper.run --list            what there is, and what is to be run
    python -m paper.run --per-gpu 3       three at a time on each GPU
    python -m paper.run --scheduler tcp://host:8786

It can be stopped and started again at any time: a cell that has its score is not trained again,
and one that was cut off goes on from its last epoch, where its disk is still there.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import joblib
from distributed import (
    Client,
    Future,
    KilledWorker,
    Nanny,
    Scheduler,
    SpecCluster,
    as_completed,
    get_worker,
)
from tqdm import tqdm

from lt import files, params, params_file, process, provenance
from paper import FOLDER, cell, facts
from paper.cells import TIMED, Cells, problems
from stages import RAW, Parser, download, main

PER_GPU = 2
DONE = "done"
LATEST_S = 300.0  # for our own workers to be there
TRIES = 3  # a dataset that was lost with the last worker that held it is sent again


@dataclass
class Chain:
    """Cells that one worker runs one after the other: one that starts fresh, and what follows."""

    cells: list[cell.Cell]
    dataset: str
    work: float
    tries: int = 0


def matching(cells: Cells, match: str) -> list[str]:
    """List the cells with `match` in their names, in which * stands for anything.

    Raises:
        ValueError: if there is none.
    """
    found = [name for name in cells.entries if fnmatchcase(name, f"*{match}*")]
    if not found:
        raise ValueError(f"--match: no cell of {cells.folder} has {match!r} in its name")
    return found


def asked_for(cells: Cells, match: str) -> list[str]:
    """List the matching cells to run: if `match` says timed, the timed cells, else all others.

    Raises:
        ValueError: if nothing matches.
    """
    for_times = TIMED in match
    found = matching(cells, match)
    return [one for one in found if (cells.entries[one]["variation"] == TIMED) == for_times]


def check(cells: Cells, names: Sequence[str]) -> None:
    """Look at the cells that have no score, before anything is downloaded or run.

    Raises:
        ValueError: with every problem in them.
    """
    from lt import methods  # which imports torch

    missing = [name for name in names if name not in cells.scored]
    starts = [first for name in missing if (first := cells.entries[name]["start"])]
    asked = dict.fromkeys([*(name for name in starts if name in cells.entries), *missing])
    if found := problems(cells.grid, asked, methods.problems, cells.path):
        raise ValueError("\n".join(found))


def plan(cells: Cells, names: Sequence[str], stale: bool) -> list[Chain]:
    """Return what is to be run of some cells."""
    missing = [name for name in names if _state(cells, name, stale) != DONE]
    chains: dict[str, list[str]] = {}
    for name in missing:
        first = cells.entries[name]["start"] or name
        chains.setdefault(first, [first])
        if name != first:
            chains[first].append(name)
    return [_chain(cells, chain, set(missing)) for chain in chains.values()]


def _state(cells: Cells, name: str, stale: bool) -> str:
    if name in cells.strangers:
        return "of others"
    if name not in cells.scored:
        return "missing"
    return "stale" if stale and _is_stale(cells, name) else DONE


def _is_stale(cells: Cells, name: str) -> bool:
    """Check whether other code than the present made the score, or what it starts from."""
    *start, last = (provenance.code(one.code) for one in params.trainings(cells.options(name)))
    made_by = cells.scored[name].score["provenance"]
    return [made_by.get("start_code"), made_by.get("code")] != [start[0] if start else None, last]


def show(cells: Cells, names: Sequence[str], stale: bool) -> None:
    """Print the cells with what has become of them, and files that belong to none."""
    for dataset in dict.fromkeys(cells.entries[name]["dataset"] for name in names):
        if cells.datasets[dataset] is None:
            print(f"of {dataset} nothing is known yet: its images are not compared")
    for name in names:
        print(f"{_state(cells, name, stale):9} {name}")
    there = {path.stem for path in (cells.folder / "scores").glob("*.json")}
    for name in sorted(there - cells.entries.keys()):
        print(f"of no cell {cells.folder}/scores/{name}.json")


def _chain(cells: Cells, names: Sequence[str], missing: set[str]) -> Chain:
    todo = [cell.Cell(name, cells.options(name), name in missing) for name in names]
    about = cells.datasets[cells.entries[names[0]]["dataset"]]
    passes = sum(cells.entries[name]["passes"] for name in names)
    return Chain(todo, todo[0].options.data.name, passes * (about["train_images"] if about else 1))


def workers(per_gpu: int) -> list[dict[str, str]]:
    """Return an environment for each worker: `per_gpu` for every GPU, or one for every core."""
    import torch

    number = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(gpu) for gpu in range(number)]
    gpus = [{"CUDA_VISIBLE_DEVICES": name} for name in names[:number]]
    return gpus * per_gpu or [{}] * joblib.cpu_count()


@contextmanager
def connect(scheduler: str | None, per_gpu: int, chains: int) -> Iterator[Client]:
    """Give a client of the cluster at `scheduler`, or of one made here for the time being."""
    if scheduler:
        logging.getLogger("distributed.client").setLevel("CRITICAL")  # an error of its comes to us
        try:
            client = Client(scheduler)
        except (OSError, ValueError) as error:
            raise ValueError(
                f"--scheduler: expected the address of one, such as tcp://host:8786, got "
                f"{scheduler} ({_first_line(error)})"
            ) from None
        with client:
            yield client
        return
    options = {"nthreads": 1, "memory_limit": 0, "silence_logs": "CRITICAL"}
    specs = [
        {"cls": Nanny, "options": {**options, "env": env}} for env in workers(per_gpu)[:chains]
    ]
    board = {"dashboard": True, "dashboard_address": "127.0.0.1:0"}
    head = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, **board}}
    with ExitStack() as stack:
        resource_tracker.ensure_running()  # lets Ctrl-C through as it starts
        with _no_ctrl_c():
            made = SpecCluster(dict(enumerate(specs)), scheduler=head, silence_logs="CRITICAL")
            client = stack.enter_context(Client(stack.enter_context(made)))
        client.wait_for_workers(len(specs), timeout=LATEST_S)
        yield client


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Keep Ctrl-C back within the block, and for ever from threads and processes begun in it.

    It reaches the whole group of processes, and stopping them is up to the first.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Filler:
    """A filler of the grid: it hands chains to a cluster and writes scores as they come."""

    def __init__(self, client: Client, folder: Path, outputs: Path | None) -> None:
        self.client, self.folder, self.outputs = client, folder, outputs
        self.failed: dict[str, str] = {}
        self.done: set[str] = set()
        self.lock = threading.Lock()  # results come in Dask's thread, too
        self.raw: dict[str, Future[Any]] = {}
        self.refused: set[str] = set()  # addresses of workers with other code
        # of Dask's events: a score comes when it is there, not when its chain is done
        self.topic = f"cells-{uuid.uuid4().hex}"

    def run(self, chains: Sequence[Chain]) -> None:
        """Run until every cell is done or has failed; a failure does not stop the others."""
        self.number = sum(one.wanted for chain in chains for one in chain.cells)
        self.work = {one.name: chain.work for chain in chains for one in chain.cells if one.wanted}
        self.begin = time.monotonic()
        form = "{l_bar}{bar}| {n_fmt}/{total_fmt} cells"  # the time left is ours, by work
        self.bar = tqdm(total=self.number, bar_format=form, disable=None)
        self.client.subscribe_topic(self.topic, self._early)
        running = {self._submit(chain, -k): chain for k, chain in enumerate(chains)}
        waiting = as_completed(list(running))
        for future in waiting:
            chain = running.pop(future)
            if future.status == "finished":
                results, folders = future.result()
                for name, result in results.items():
                    self._receive(name, result, last=True)
                if not results.keys() & self.failed.keys():
                    self._clear(future, folders)
            elif (again := self._again(chain, future)) is not None:
                running[again] = chain
                waiting.add(again)
        self.client.unsubscribe_topic(self.topic)
        self.bar.close()

    def _submit(
        self, chain: Chain, priority: int, workers: Sequence[str] | None = None
    ) -> Future[Any]:
        if not self.client.nthreads():
            self._say("waiting for workers")
            self.client.wait_for_workers(1)
        if chain.dataset not in self.raw or self.raw[chain.dataset].cancelled():
            dataset = cell.read_dataset(RAW / chain.dataset)
            self.raw[chain.dataset] = self.client.scatter(dataset, broadcast=True)
        raw, keep = self.raw[chain.dataset], self.outputs is not None
        arguments = chain.cells, raw, keep, cell.CODE, self.topic
        how: dict[str, Any] = {"priority": priority, "pure": False}
        if workers:  # while they live
            how |= {"workers": workers, "allow_other_workers": True}
        return self.client.submit(run_chain, *arguments, **how)

    def _again(self, chain: Chain, future: Future[Any]) -> Future[Any] | None:
        """Submit the chain once more, if what it needs was lost with a worker, or it was refused.

        Otherwise its cells have failed.
        """
        if future.status == "error" and isinstance(refusal := future.exception(), cell.OtherCode):
            (address,) = refusal.args
            if address not in self.refused:
                self.refused.add(address)
                self._say(f"{address} began with other code, and is given nothing")
            if good := self.client.nthreads().keys() - self.refused:
                return self._submit(chain, 0, sorted(good))
        chain.tries += 1
        if future.status in ("cancelled", "lost") and chain.tries < TRIES:
            return self._submit(chain, 0)
        for one in chain.cells:
            if one.wanted and one.name not in self.done:
                self._receive(one.name, {"error": _why(future)}, last=True)
        return None

    def _early(self, event: tuple[float, tuple[str, cell.Result]]) -> None:
        """Receive what is told before its chain is done."""
        name, result = event[1]
        self._receive(name, result, last=False)

    def _clear(self, future: Future[Any], folders: Sequence[str]) -> None:
        """Have the worker that ran a chain remove its networks, now that all is written."""
        if workers := list(self.client.who_has([future])[future.key]):
            # at once, beside what it does by now, and not after it
            self.client.run(cell.clear, folders, workers=workers, on_error="ignore")

    def _receive(self, name: str, result: cell.Result, last: bool) -> None:
        """Write a result, once: the outputs if they are asked for, and then the score.

        What cannot be written comes again with the end of its chain, the `last` time; then the cell
        has failed. Where one has, the networks of its chain stay.
        """
        with self.lock:
            if name in self.done:
                return
            why = result.get("error")
            if why is None:
                try:
                    self._write(name, result)
                except OSError as error:
                    if not last:
                        return
                    where = "its networks stay where it was trained"
                    why = f"{error.filename}: {error.strerror}; {where}"
            if why is not None:
                self.failed[name] = why
            self.done.add(name)
            self._tell(name, why)

    def _write(self, name: str, result: cell.Result) -> None:
        if self.outputs and "outputs" in result:
            with files.whole(self.outputs / f"{name}.zip") as temporary:
                temporary.write_bytes(result["outputs"])
        files.write_json(self.folder / "scores" / f"{name}.json", result["score"])

    def _tell(self, name: str, why: str | None) -> None:
        done = sum(self.work[name] for name in self.done)
        left = (time.monotonic() - self.begin) * (sum(self.work.values()) / done - 1)
        clock = f"{int(left // 3600)} h {int(left % 3600 // 60)} min left"
        self.bar.update()
        self._say(f"{len(self.done)}/{self.number} {name}: {why or 'done'}; {clock}")

    def _say(self, line: str) -> None:
        """Write a line above the bar, at once also where it goes to a file or a pipe."""
        self.bar.write(line)
        sys.stdout.flush()


def _why(future: Future[Any]) -> str:
    """Say why a chain did not end."""
    if future.status in ("cancelled", "lost"):
        return f"what it needs was lost with its worker, {TRIES} times"
    error = future.exception()
    if isinstance(error, KilledWorker):
        return "every worker that it was given to died"
    if isinstance(error, cell.OtherCode):
        return "no worker has the code that this run began with; start them again, and the run"
    line = _first_line(error)
    return f"{type(error).__name__}: {line}; the log of Dask's scheduler may say more"


def _first_line(error: BaseException | None) -> str:
    return next(iter(str(error).splitlines()), "")


def run_chain(
    cells: Sequence[cell.Cell], raw: Any, keep_outputs: bool, code: str, topic: str
) -> tuple[dict[str, cell.Result], list[str]]:
    """Run `cell.run_chain` on a worker; scores go ahead as events, where there are no outputs.

    Raises:
        cell.OtherCode: with the worker's address, if this worker's code is not `code`.
    """
    worker = get_worker()

    def deliver(name: str, result: cell.Result) -> None:
        if "outputs" not in result:  # they are too large for an event, and come before their score
            worker.log_event(topic, (name, result))

    try:
        return cell.run_chain(cells, raw, keep_outputs, code, deliver)
    except cell.OtherCode:
        raise cell.OtherCode(worker.address) from None


def _download(cells: Cells, names: Iterable[str]) -> None:
    """Download the images of some datasets of the grid, if they are not here."""
    options = (params_file.load(cells.dataset_params[name].split(), cells.path) for name in names)
    for raw in sorted({one.data.name for one in options}):
        if not (RAW / raw).exists():
            download.run([raw])


def _make_folder(
    outputs: Path, cells: Cells, names: Sequence[str], chains: Sequence[Chain]
) -> None:
    """Make the folder for outputs, before hours of training; say which will not be in it."""
    outputs.mkdir(parents=True, exist_ok=True)
    if not os.access(outputs, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(outputs))
    todo = {one.name for chain in chains for one in chain.cells if one.wanted}
    done = [name for name in names if name not in todo and not cells.scored[name].failed]
    without = [name for name in done if not (outputs / f"{name}.zip").exists()]
    if without:
        print(f"{len(without)} of these have no outputs in {outputs}: their networks are gone")


def run(arguments: Sequence[str]) -> None:
    """Run the cells that are missing; say at the end which failed."""
    parser = Parser(prog="python -m paper.run", description=__doc__.split("\n")[0])
    parser.add_argument("--match", default="", help="cells with this in their names; * is anything")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the grid")
    parser.add_argument("--per-gpu", type=int, default=PER_GPU, help="cells at a time on a GPU")
    parser.add_argument("--scheduler", help="address of a running Dask cluster")
    parser.add_argument("--stale", action="store_true", help="again what other code has made")
    parser.add_argument("--outputs", type=Path, help="folder for what the networks say, zipped")
    parser.add_argument("--list", action="store_true", help="print the cells, and run none")
    given = parser.parse_args(arguments)
    if given.per_gpu < 1:
        raise ValueError(f"--per-gpu: expected an integer at least 1, got {given.per_gpu}")
    cells = Cells(given.folder)
    if given.list:
        show(cells, matching(cells, given.match), given.stale)
        return
    names = asked_for(cells, given.match)
    with process.lock(given.folder / ".run.lock"):
        check(cells, names)
        # then what is known of the datasets: scores are compared with it
        used = {cells.entries[name]["dataset"] for name in names}
        _download(cells, [name for name in used if cells.datasets[name] is None])
        facts.write_missing(cells)
        cells = Cells(given.folder)
        chains = plan(cells, names, given.stale)
        todo = sum(one.wanted for chain in chains for one in chain.cells)
        print(f"{len(names) - todo} of {len(names)} cells are done, {todo} to run", flush=True)
        if given.outputs:
            _make_folder(given.outputs, cells, names, chains)
        if not todo:
            return
        _download(cells, [cells.entries[chain.cells[0].name]["dataset"] for chain in chains])
        together = 1 if TIMED in given.match else len(chains)
        with connect(given.scheduler, given.per_gpu, together) as client:
            print(f"dashboard: {client.dashboard_link}", flush=True)
            filler = Filler(client, given.folder, given.outputs)
            filler.run(chains)
    if filler.failed:
        lines = [f"{name}: {why}" for name, why in filler.failed.items()]
        raise ValueError("\n".join([f"{len(lines)} of {todo} cells failed:", *lines]))


if __name__ == "__main__":
    main(run, own_help=True)
