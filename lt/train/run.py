"""A training from arrays to a folder: what it depends on, and what it leaves."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lt import files, methods, params, process, provenance
from lt.nets import backbones, branches, net, weights
from lt.score import store
from lt.train import checkpoint, loop, plan, step, together
from lt.train.inputs import Inputs, digests, make_task, on_device
from lt.train.start import Start, check_freeze
from lt.train.together import Team


def run(
    training: params.Training,
    inputs: Inputs,
    out: Path,
    start: Path | None = None,
    quiet: bool = False,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Train a method and write the folder `out`: weights, outputs, history, provenance.

    Args:
        training: the method, its params, the train section.
        inputs: the images.
        out: the folder to make; its checkpoints are in `checkpoint.scratch()`.
        start: the folder of the training to start from; None: fresh.
        quiet: print nothing.
        check: called before the folder takes its place; if it raises, the checkpoints stay.

    Raises:
        ValueError: if params, data, start and method do not go together, or another process is
            at work on the same folder.
        FloatingPointError: at the first loss or output that is not finite.
        OSError: if something cannot be read or written.
        process.Gone: if another process that takes part ends before its time.
    """
    lock = process.lock(out.parent / f".{out.name}.lock")
    with together.joined(training.train.processes) as team, lock if team.first else nullcontext():
        team.wait()  # for the lock
        if not os.access(out.parent, os.W_OK):  # known now, and not after the training
            raise PermissionError(errno.EACCES, "cannot be written", str(out.parent))
        _run(training, inputs, out, Start.read(start), team, quiet or not team.first, check)


def _run(
    training: params.Training,
    inputs: Inputs,
    out: Path,
    start: Start,
    team: Team,
    quiet: bool,
    check: Callable[[], None],
) -> None:
    revision = provenance.revision()  # that of the start
    setting, test = on_device(training, inputs, team)
    task = make_task(training.train, inputs, start.views)
    experts = methods.experts(training.model, task, training.method)
    start.check(training.model, experts, task.groups)
    check_freeze(training.model, experts, training.train)
    info = about(training, inputs, setting.device, setting.precision) | {"start": start.run}
    start.check_same(info)
    depends = {**info, "partition": inputs.partition, "start_weights": start.digest()}
    depends["start"] = start.run and start.run["training"]  # not its timing
    depends["images"] = digests(setting, inputs)
    setting, loaded = _with_weights(setting, training, experts, quiet)
    checkpoints = checkpoint.Checkpoints(checkpoint.scratch(), whoever_trains(depends))
    info["training"] = files.digest(depends)
    with checkpoints.keep() if team.first else nullcontext():
        trained = _fit(experts, setting, team, training.model, checkpoints, start.nets, quiet)
        timing = {"train_s": start.seconds + checkpoints.seconds()}
        begin = time.perf_counter()
        test_logits = _predict(trained, test, setting, team, "test")
        timing["test_s"] = time.perf_counter() - begin
        val_logits = _predict(trained, setting.val, setting, team, "validation")
        if not team.first:
            return
        start.add_costs(trained)
        outputs = store.Outputs(test_logits, test.labels, val_logits, setting.val.labels)
        info["trimmed"] = [net.trimmed(one.net) for one in trained]
        info["loaded"] = loaded
        info["processes"] = sorted({number for one in trained for number in one.processes})
        facts = {"run": {**info, **revision}, "timing": timing}
        with files.whole(out) as folder:
            _save(folder, experts, trained, setting, outputs, facts)
            check()


def whoever_trains(depends: Mapping[str, Any]) -> dict[str, Any]:
    """Return `depends` without the processes and threads: a run may go on with others."""
    train = {k: v for k, v in depends["train"].items() if k not in ("processes", "spread")}
    return {key: value for key, value in {**depends, "train": train}.items() if key != "threads"}


def about(
    training: params.Training, inputs: Inputs, device: torch.device, precision: str
) -> dict[str, Any]:
    """Return what run.json says of a training that starts fresh.

    The revision is not in it, since no outcome depends on it.
    """
    return {
        "model": training.model,
        "method": training.method,
        "start": None,
        "seed": training.seed,
        "train": asdict(training.train),
        "weights": training.weights,
        "data": inputs.summary,
        "partition": store.about_cut(inputs.partition),
        "precision": precision,
        "code": provenance.code(training.code),
        **provenance.machine(device, *backbones.packages(training.train.backbone)),
    }


def _save(
    folder: Path,
    experts: Sequence[plan.Expert],
    trained: Sequence[loop.Trained],
    setting: step.Setting,
    outputs: store.Outputs,
    facts: Mapping[str, Any],
) -> None:
    """Write what `store.save` does, and weights, expert_<k>.safetensors in the order of its list.

    Of each network, experts.json has its view, its form, its costs, and the hash of the training.
    """
    folder.mkdir()
    *_, size, channels = setting.train.pixels.shape
    shape = setting.options.backbone, channels, size
    entries: list[dict[str, Any]] = []
    for expert, one in zip(experts, trained, strict=True):
        costs = {"updates": one.updates, "images": one.images}
        for single, own in branches.networks(one.net, *shape):
            net.save(single, folder / f"expert_{len(entries)}.safetensors")
            entries.append(
                {
                    "training": facts["run"]["training"],
                    **asdict(expert.view),
                    **net.form(single, *shape),
                    "parameters": net.parameters(own),
                    "trained_parameters": sum(parameter.numel() for parameter in own.parameters()),
                    **costs,
                }
            )
            costs = dict.fromkeys(costs, 0)  # branches are trained together
    rows = (row for one in trained for row in one.history)
    store.save(folder, entries, outputs, rows, facts)


def _with_weights(
    setting: step.Setting,
    training: params.Training,
    experts: Sequence[plan.Expert],
    quiet: bool,
) -> tuple[step.Setting, dict[str, Any] | None]:
    """Read train.weights into the setting, and return what was loaded, unless there are none."""
    if training.weights is None:
        return setting, None
    path = files.given(str(training.train.weights))
    if files.sha256(path) != training.weights:
        raise ValueError(f"train.weights: {path} has changed; run `dvc repro`, which looks again")
    *_, channels = setting.train.pixels.shape
    width = max(expert.fork.width if expert.fork else 1.0 for expert in experts)
    backbone, _ = backbones.make(training.train.backbone, channels, last_width=width)
    state, loaded = weights.match(weights.read(path), backbone, path)
    if not quiet:
        left = ", ".join(loaded["not_loaded"]) or "nothing"
        line = f"{loaded['loaded']} tensors of {path} loaded, not loaded: {left}"
        print(f"train: {line}", file=sys.stderr, flush=True)
    return replace(setting, weights=state), {"file": str(path), **loaded}


def _fit(
    experts: Sequence[plan.Expert],
    setting: step.Setting,
    team: Team,
    name: str,
    checkpoints: checkpoint.Checkpoints,
    start: loop.Nets,
    quiet: bool,
) -> list[loop.Trained]:
    def silent(row: loop.Row) -> None:
        pass

    report, spread = silent, setting.options.spread == "experts"
    own = team.share_out(len(experts)) if spread else list(range(len(experts)))
    if not quiet:
        for line in checkpoints.messages():
            print(f"train: {line}", file=sys.stderr, flush=True)
        phases = [phase for k in own for phase in experts[k].phases]
        epochs = sum(phase.epochs * len(phase.setups) for phase in phases)
        if epochs:
            report = process.Progress(epochs, name, checkpoints.epochs(own)).report
    start = tuple(one.to(setting.device, memory_format=torch.channels_last) for one in start)  # type: ignore[call-overload]
    jobs = [loop.Job(experts[k], k, setting, report, checkpoints, start) for k in own]
    trained = loop.fit(jobs) if jobs else []
    if spread:
        for one in trained:
            one.net.cpu()  # in other processes its device is another's
        trained = team.exchange(trained, len(experts))
        for one in trained:
            one.net.to(setting.device)
    return trained


def _predict(
    trained: Sequence[loop.Trained],
    images: step.Images,
    setting: step.Setting,
    team: Team,
    part: str,
) -> store.Blocks:
    """Return what each network says of the images, the branches of one each for itself.

    Of several processes, the first has all of it, the others nothing of use.
    """
    blocks: store.Blocks = []
    for k, one in enumerate(trained):
        with branches.apart(one.net) as num:
            place = f"expert {k}, {part}"
            logits = team.outputs(one.net, images.pixels, setting.recipe, place)
        blocks += np.split(logits, num, axis=1) if team.first else []
    return blocks
