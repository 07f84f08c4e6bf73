"""Weight balancing: a decay tuned for the whole network, then hard decay and bounded norms.

Alshammari et al., "Long-Tailed Recognition via Weight Balancing", CVPR 2022, both stages: cross
entropy with a decay of 5e-3, then the classifier alone with the class-balanced loss, a decay of 0.1
and MaxNorm. Held against ShadeAlsha/LTR-weight-balancing at e89f292, demo1, demo2 and utils/. The
class-balanced loss is theirs, the binary cross entropy of the softmax: its gradient is that of the
softmax's own cross entropy over about the number of classes, which their decay is tuned to. Departs
in the network (theirs is a ResNet-34); in train.epochs for the first stage (theirs: 320, and the
best of them on the test set goes on); in that norms are bounded after every step, as the paper has
it, where the code does so once an epoch; in batches of train.batch_size (theirs: 64); in that
batch-norm statistics are frozen with the backbone; and in that the cosine of the learning rate
begins at its value, not one epoch on.
"""

from __future__ import annotations

from functools import partial

from lt.data import samplers
from lt.nets import heads, losses, surgery
from lt.params import Count, Fraction, NonNegative, Positive
from lt.train import schedules
from lt.train.plan import ClassView, Expert, Phase, Task


def experts(
    task: Task,
    *,
    first_lr: Positive,
    first_weight_decay: NonNegative,
    epochs: Count,
    lr: Positive,
    weight_decay: NonNegative,
    max_norm: NonNegative,
    beta: Fraction,
) -> tuple[Expert, ...]:
    """Return a single expert for all classes; `first_...` is of the whole network's training.

    max_norm is the bound's place between the least of the classifier's norms and the largest (0 to
    1, or more), `beta` that of class_balanced, `epochs` the length of the second stage.
    """
    view, sampler = ClassView.all(len(task.counts)), samplers.shuffled(task.batch_size)
    first = Phase(
        task.epochs,
        losses.cross_entropy,
        sampler,
        (surgery.everything,),
        lr=partial(schedules.cosine, lr=first_lr, epochs=task.epochs),
        weight_decay=first_weight_decay,
    )
    second = Phase(
        epochs,
        losses.binary(losses.effective_number_weights(task.counts, beta)),
        sampler,
        (surgery.max_norm(max_norm),),
        lr=partial(schedules.cosine, lr=lr, epochs=epochs),
        weight_decay=weight_decay,
    )
    return (Expert(view, (first, second), heads.linear),)
