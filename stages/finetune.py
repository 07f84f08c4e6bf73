"""finetune: the second stage of a method that starts from another; else nothing is added."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from lt import files, params, resolved
from lt.score import store
from stages import FINAL, LONGTAIL, PARTITION, RAW, TRAINED, Started, main, no_arguments


def run(arguments: Sequence[str]) -> None:
    """Write models/final, of the same form as models/trained; the same files if nothing follows."""
    no_arguments(arguments)
    started = Started("finetune")
    started.input(TRAINED)
    if resolved.is_null("finetune"):
        store.check(TRAINED)
        with files.whole(FINAL) as folder:
            shutil.copytree(TRAINED, folder)
            started.check()
        return
    from lt.train import launch, second_look  # imports torch, which a copy does not need
    from lt.train import run as training
    from lt.train.inputs import Inputs

    inputs = Inputs.read(RAW, LONGTAIL, PARTITION, started.input)
    one, rule = started.what(params.Training), resolved.what(params.Evaluate, "evaluate").combine
    second_look.check([one], rule, inputs)
    if launch.here(one.train.processes):
        training.run(one, inputs, FINAL, TRAINED, check=started.check)
    else:
        launch.start("stages.finetune", one.train.processes)


if __name__ == "__main__":
    main(run)
