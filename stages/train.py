"""train: the method that is trained from scratch, and its outputs for every image."""

from __future__ import annotations

from collections.abc import Sequence

from lt import params, resolved
from lt.train import launch, second_look
from lt.train import run as training
from lt.train.inputs import Inputs
from stages import LONGTAIL, PARTITION, RAW, TRAINED, Started, main, no_arguments


def run(arguments: Sequence[str]) -> None:
    """Write models/trained: weights, outputs, history, views, timing, provenance."""
    no_arguments(arguments)
    started = Started("train")
    inputs = Inputs.read(RAW, LONGTAIL, PARTITION, started.input)
    chain = [started.what(params.Training)]
    if not resolved.is_null("finetune"):
        chain.append(resolved.what(params.Training, "finetune"))
    rule = resolved.what(params.Evaluate, "evaluate").combine
    second_look.check(chain, rule, inputs)
    if launch.here(chain[0].train.processes):
        training.run(chain[0], inputs, TRAINED, check=started.check)
    else:
        launch.start("stages.train", chain[0].train.processes)


if __name__ == "__main__":
    main(run)
