from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lt.data import samplers
from lt.nets import heads, losses, mixing, surgery
from lt.nets import net as nets
from lt.nets.surgery import Given
from lt.score import predict, store
from lt.train import loop, step
from lt.train.plan import ClassView, Expert, Mix, Phase, Task
from tests.conftest import quiet, train

SHUFFLED = samplers.shuffled(32)
NOTHING = Given(torch.Generator(), lambda: (torch.empty(0), np.empty(0, dtype=np.int64)), ())


def main_phase(epochs: int = 2, **changes: Any) -> Phase:
    phase = Phase(epochs, losses.cross_entropy, SHUFFLED, (surgery.everything,))
    return dataclasses.replace(phase, **changes)


def single(*phases: Phase, num_classes: int = 6) -> Expert:
    return Expert(ClassView.all(num_classes), phases, heads.linear)


def state(trained: loop.Trained) -> dict[str, Tensor]:
    return trained.net.state_dict()


def test_the_loop_is_plain_sgd(setting: step.Setting) -> None:
    """The same weights as the textbook loop on the same batches."""
    setting = dataclasses.replace(
        setting,
        recipe=dataclasses.replace(setting.recipe, pad=0, flip=False),
        options=dataclasses.replace(setting.options, clip_norm=0.5, step_size=1),
    )
    expert = single(main_phase())
    net = loop._begin(loop.Job(expert, 0, setting, quiet))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=2e-4)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.1)
    pixels, labels = setting.train.pixels, torch.from_numpy(setting.train.labels)
    for epoch in (1, 2):
        net.train()
        for batch in SHUFFLED(setting.train.labels, np.random.default_rng([0, 1, epoch])):
            optimizer.zero_grad()
            logits = net(predict.normalise(pixels[batch], setting.recipe))
            nn.functional.cross_entropy(logits, labels[batch]).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 0.5)
            optimizer.step()
        scheduler.step()
    ours = state(train(expert, 0, setting))
    for key, expected in net.state_dict().items():
        torch.testing.assert_close(ours[key], expected, rtol=1e-4, atol=1e-5)


def test_a_row_per_epoch(setting: step.Setting) -> None:
    rows: list[loop.Row] = []
    trained = train(single(main_phase()), 3, setting, rows.append)
    assert trained.history == rows
    assert [list(row) for row in rows] == [store.HISTORY] * 2
    assert [(row["expert"], row["phase"], row["epoch"], row["lr"]) for row in rows] == [
        (3, 1, 1, 0.1),
        (3, 1, 2, 0.1),
    ]
    assert (trained.updates, trained.images) == (8, 242)  # 121 = 3 x 32 + 25 images, twice


def test_the_training_loss_counts_images_alike(setting: step.Setting) -> None:
    """The last batch is a small one."""

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:  # noqa: ARG001
        return 0 * logits.sum() + targets.float().mean()

    labels = setting.train.labels
    assert len(labels) % 32
    (row,) = train(single(main_phase(1, loss=loss)), 0, setting).history
    assert row["train_loss"] == pytest.approx(labels.mean())


def test_twice_the_same_is_the_same_bit_for_bit(setting: step.Setting) -> None:
    first, again = (state(train(single(main_phase()), 0, setting)) for _ in range(2))
    assert all(torch.equal(first[key], again[key]) for key in first)


@pytest.mark.parametrize("what", ["seed", "expert"])
def test_seed_and_expert_change_the_weights(setting: step.Setting, what: str) -> None:
    other = dataclasses.replace(setting, seed=1) if what == "seed" else setting
    number = 1 if what == "expert" else 0
    first = state(train(single(main_phase(1)), 0, setting))
    second = state(train(single(main_phase(1)), number, other))
    assert not torch.equal(first["classifier.weight"], second["classifier.weight"])


def test_a_student_begins_like_none_of_its_teachers(setting: step.Setting) -> None:
    experts = [single(main_phase(0)) for _ in range(2)]
    teachers = [train(one, k, setting).net for k, one in enumerate(experts)]
    student = dataclasses.replace(single(main_phase(0)), start="teachers")
    begun = loop._begin(loop.Job(student, 0, setting, quiet, start=tuple(teachers)))
    for one in teachers:
        assert not torch.equal(begun.classifier.weight, one.classifier.weight)


@pytest.mark.parametrize(("seed", "number"), [(1, 0), (0, 1)])
def test_what_the_seed_draws_beside_the_weights(
    setting: step.Setting, monkeypatch: pytest.MonkeyPatch, seed: int, number: int
) -> None:
    """Batches, augmentation, mixup's shares; experts have the same batches."""
    mix = Mix(1.0, mixing.plain)

    def drawn(seed: int, number: int) -> list[Any]:
        found: list[Any] = []
        run, shares = step.Steps.run, step.Steps._shares

        def record(self: step.Steps, batches: Any, epoch: int, lr: float, generator: Any) -> Any:
            draws = torch.rand(5, generator=generator.clone_state())
            found.append((np.concatenate(batches), draws, shares(self, 4, generator)))
            return run(self, batches, epoch, lr, generator)

        with monkeypatch.context() as patch:
            patch.setattr(step.Steps, "run", record)
            train(single(main_phase(mix=mix)), number, dataclasses.replace(setting, seed=seed))
        return found

    first, other = drawn(0, 0), drawn(seed, number)
    for (batches, draws, shares), (same, others, mixed) in zip(first, other, strict=True):
        assert np.array_equal(batches, same) is (seed == 0)
        assert not torch.equal(draws, others)
        assert not torch.equal(shares, mixed)
    (batches, draws, shares), (later, others, mixed) = first
    assert not np.array_equal(batches, later), "another epoch"
    assert not torch.equal(draws, others)
    assert not torch.equal(shares, mixed)


def test_bf16_stays_close_to_fp32(setting: step.Setting) -> None:
    expert = single(main_phase(1, sampler=samplers.shuffled(1000)))

    def loss(precision: str) -> float:
        same = dataclasses.replace(setting, precision=precision)
        value: float = train(expert, 0, same).history[0]["train_loss"]
        return value

    assert loss("bf16") != loss("fp32")
    assert loss("bf16") == pytest.approx(loss("fp32"), rel=0.02)


def test_clipping_bounds_the_step(setting: step.Setting) -> None:
    options = dataclasses.replace(
        setting.options, clip_norm=0.01, momentum=0.0, weight_decay=0.0, lr=1.0
    )
    setting = dataclasses.replace(setting, options=options)
    expert = single(main_phase(1, sampler=samplers.shuffled(1000)))
    before = {
        k: p.detach()
        for k, p in loop._begin(loop.Job(expert, 0, setting, quiet)).named_parameters()
    }
    after = train(expert, 0, setting).net.state_dict()
    moved = torch.cat([(after[key] - before[key]).flatten() for key in before]).norm().item()
    assert moved == pytest.approx(0.01, rel=1e-3)


def test_what_lws_freezes_stays_bit_for_bit(setting: step.Setting) -> None:
    first = train(single(main_phase(1)), 0, setting)
    balanced = samplers.class_balanced(32, "match")
    scales = Phase(2, losses.cross_entropy, balanced, (surgery.scales_only,))
    both = train(single(main_phase(1), scales), 0, setting)
    after = state(both)
    for key, value in state(first).items():  # batch-norm statistics and counters among them
        moved = key.replace("classifier.", "classifier.classifier.")
        assert torch.equal(after[moved], value), key
    assert not torch.equal(after["classifier.scale"], torch.ones(6))
    assert [row["phase"] for row in both.history] == [1, 2, 2]


@pytest.mark.parametrize("missing", [(), (5,), (3, 4)])
def test_tau_is_chosen_as_a_balanced_test_set_would(
    missing: tuple[int, ...], setting: step.Setting
) -> None:
    """Head and tail count the same, whichever of their three classes have a validation image."""
    grid, kept = (0.0, 0.5, 1.0, 2.0), ~np.isin(setting.val.labels, missing)
    val = step.Images(setting.val.pixels[torch.from_numpy(kept)], setting.val.labels[kept])
    setting = dataclasses.replace(setting, val=val)
    base = train(single(main_phase(2)), 0, setting).net
    labels = setting.val.labels
    accuracies = []
    for tau in grid:
        net = copy.deepcopy(base)
        surgery.tau_normalise(tau)(net, NOTHING)
        logits = predict.predict(net, setting.val.pixels, setting.recipe)
        recalls = [
            np.mean([(logits.argmax(1) == labels)[labels == c].mean() for c in half if c in labels])
            for half in ((0, 1, 2), (3, 4, 5))
        ]
        accuracies.append(np.mean(recalls))
    best = grid[int(np.argmax(accuracies))]
    expert = single(main_phase(2), main_phase(0, setups=tuple(map(surgery.tau_normalise, grid))))
    chosen = train(expert, 0, setting).net.classifier
    assert isinstance(chosen, nn.Linear)
    weight = base.classifier.weight
    assert chosen.bias is None
    torch.testing.assert_close(chosen.weight, weight / weight.norm(dim=1, keepdim=True) ** best)


def test_tau_1_gives_rows_of_norm_1() -> None:
    net = nets.Net(nn.Identity(), nn.Linear(4, 3), 4)
    assert surgery.tau_normalise(1.0)(net, NOTHING) == []
    torch.testing.assert_close(net.classifier.weight.norm(dim=1), torch.ones(3))


def test_choosing_without_validation_images_is_refused(setting: step.Setting) -> None:
    images = setting.val
    empty = step.Images(images.pixels[:0], images.labels[:0])
    setting = dataclasses.replace(setting, val=empty)
    grid = main_phase(0, setups=(surgery.tau_normalise(0.0), surgery.tau_normalise(1.0)))
    trained = train(single(main_phase(1)), 0, setting)
    assert trained.history[0]["val_accuracy"] is None
    with pytest.raises(ValueError, match=r"data\.val_fraction"):
        train(single(main_phase(1), grid), 0, setting)
    head = step.Images(images.pixels[:18], images.labels[:18])
    setting = dataclasses.replace(setting, val=head)
    train(single(main_phase(1)), 0, setting)
    with pytest.raises(ValueError, match="3 of 3 head classes and 0 of 3 tail classes"):
        train(single(main_phase(1), grid), 0, setting)


def test_head_and_tail_are_those_of_the_partition(setting: step.Setting) -> None:
    """A validation set of its own may show rare classes most: they are of the tail all the same."""
    labels = np.repeat([5, 3], [30, 6])
    setting = dataclasses.replace(setting, val=step.Images(setting.val.pixels, labels))
    grid = main_phase(0, setups=(surgery.tau_normalise(0.0), surgery.tau_normalise(1.0)))
    with pytest.raises(ValueError, match="0 of 3 head classes and 2 of 3 tail classes"):
        train(single(main_phase(1), grid), 0, setting)


def test_an_expert_without_images_is_refused(setting: step.Setting) -> None:
    expert = Expert(ClassView((6, 7), 8), (main_phase(),), heads.linear)
    with pytest.raises(ValueError, match=r"none of its classes \(6, 7\) has an image"):
        train(expert, 1, setting)


def test_a_loss_that_is_not_finite_says_where(setting: step.Setting) -> None:
    calls = []

    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:
        calls.append(int(epoch))
        value = losses.cross_entropy(logits, targets, epoch)
        return value * float("nan") if len(calls) == 8 else value

    with pytest.raises(
        FloatingPointError, match=r"expert 2, phase 1, epoch 2, step 4 of 4: .* batch of 25 .* nan"
    ):
        train(single(main_phase(loss=loss)), 2, setting)


def test_where_no_step_was_taken_no_smaller_lr_is_advised(setting: step.Setting) -> None:
    def loss(logits: Tensor, targets: Tensor, epoch: Tensor) -> Tensor:
        return losses.cross_entropy(logits, targets, epoch) * float("nan")

    with pytest.raises(FloatingPointError, match=r"epoch 1, step 1 .* look at the loss itself"):
        train(single(main_phase(loss=loss)), 0, setting)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda logits, *_: logits.mean(1), r"one of shape \(32,\)"),
        (lambda logits, *_: logits.sum().item(), "a float"),
        (lambda *_: None, "a NoneType"),
        (lambda logits, *_: logits.detach().sum(), "one that does not depend on the logits"),
    ],
)
def test_what_is_no_loss_is_refused(setting: step.Setting, made: Any, told: str) -> None:
    with pytest.raises(ValueError, match=f"the method's loss: expected a scalar .*, got {told}"):
        train(single(main_phase(loss=made)), 0, setting)


def test_outputs_that_are_not_finite_say_where(setting: step.Setting) -> None:
    net = loop._begin(loop.Job(single(main_phase()), 0, setting, quiet))
    with torch.no_grad():
        net.classifier.bias[0] = float("inf")
    with pytest.raises(FloatingPointError, match=r"outputs: .* 36 of 36 images, first image 0"):
        predict.predict(net, setting.val.pixels, setting.recipe)


def test_predict_is_the_net_in_evaluation_mode(setting: step.Setting, task: Task) -> None:
    net = loop._begin(loop.Job(single(main_phase()), 0, setting, quiet)).train()
    logits = predict.predict(net, setting.train.pixels, setting.recipe)
    with torch.no_grad():
        expected = net.eval()(predict.normalise(setting.train.pixels, setting.recipe))
    assert logits.shape == (sum(task.counts), 6)
    assert logits.dtype == np.float32
    torch.testing.assert_close(torch.from_numpy(logits), expected)


def test_seed_and_expert_draw_another_new_classifier(setting: step.Setting) -> None:
    expert = single(main_phase(0, setups=(surgery.new_classifier,)))
    first, *others = (
        train(expert, number, dataclasses.replace(setting, seed=seed)).net.classifier.weight
        for seed, number in ((0, 0), (1, 0), (0, 1))
    )
    assert not any(torch.equal(first, other) for other in others)


def test_another_phase_is_augmented_otherwise(
    setting: step.Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds, run = [], step.Steps.run

    def record(self: step.Steps, batches: Any, epoch: int, lr: float, generator: Any) -> Any:
        seeds.append(generator.initial_seed())
        return run(self, batches, epoch, lr, generator)

    monkeypatch.setattr(step.Steps, "run", record)
    train(single(main_phase(2), main_phase(2)), 0, setting)
    assert len(set(seeds)) == 4


@pytest.mark.parametrize(("side", "size"), [(8, 250), (64, 250), (65, 242), (224, 20), (1024, 1)])
def test_larger_images_go_through_a_net_in_smaller_batches(side: int, size: int) -> None:
    pixels = torch.empty(1, side, side, 3, dtype=torch.uint8)
    assert predict.batch_size(pixels, torch.device("cpu")) == size
