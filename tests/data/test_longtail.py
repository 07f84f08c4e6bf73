from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from lt import params
from lt.data import datasets, longtail, partition
from tests.conftest import ROOT, needs_cifar

# C, type, factor: N, N of the first and second half of the labels, many/medium/few classes
DATASETS = [
    (10, "exp", 0.1, 20431, 15984, 4447, (10, 0, 0)),
    (10, "exp", 0.01, 12406, 11515, 891, (8, 2, 0)),
    (10, "step", 0.1, 27500, 25000, 2500, (10, 0, 0)),
    (10, "step", 0.01, 25250, 25000, 250, (5, 5, 0)),
    (100, "exp", 0.1, 19573, 14925, 4648, (69, 31, 0)),
    (100, "exp", 0.01, 10847, 9901, 946, (35, 35, 30)),
    (100, "step", 0.1, 27500, 25000, 2500, (50, 50, 0)),
    (100, "step", 0.01, 25250, 25000, 250, (50, 0, 50)),
]


@pytest.mark.parametrize(
    ("classes", "imb_type", "factor", "num", "head", "tail", "shots"), DATASETS
)
def test_the_eight_datasets(
    classes: int,
    imb_type: str,
    factor: float,
    num: int,
    head: int,
    tail: int,
    shots: tuple[int, ...],
) -> None:
    counts = longtail.class_counts(50000 // classes, classes, imb_type, factor)
    half = classes // 2
    assert (counts.sum(), counts[:half].sum(), counts[half:].sum()) == (num, head, tail)
    assert tuple(map(len, partition.shots(counts).values())) == shots


def test_dataset_2_class_by_class() -> None:
    counts = longtail.class_counts(5000, 10, "exp", 0.01)
    assert counts.tolist() == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]


def test_step_with_an_odd_number_of_classes_loses_none() -> None:
    assert longtail.class_counts(100, 5, "step", 0.1).tolist() == [100, 100, 10, 10, 10]


def test_a_class_without_an_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.001 leaves class \d+ without an image.*0\.002"):
        longtail.class_counts(500, 100, "exp", 0.001)


@pytest.mark.parametrize("img_max", [3, 139, 142, 500, 5000])
def test_the_smallest_factor_that_the_message_allows_is_allowed(img_max: int) -> None:
    with pytest.raises(ValueError, match="at least") as error:
        longtail.class_counts(img_max, 10, "exp", 1e-9)
    least = float(str(error.value).split("at least ")[1].split()[0])
    assert longtail.class_counts(img_max, 10, "exp", least).min() == 1


@pytest.mark.parametrize("num", [0, 1, 2, 3, 1000, 20431])
@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_torch_randperm(num: int, seed: int) -> None:
    expected = torch.randperm(num, generator=torch.Generator().manual_seed(seed))
    assert longtail.torch_randperm(num, seed).tolist() == expected.tolist()


def test_validation_is_the_split_of_random_split() -> None:
    train, val = torch.utils.data.random_split(
        range(20431),  # type: ignore[arg-type]
        [18388, 2043],
        generator=torch.Generator().manual_seed(0),
    )
    ours = longtail.split_validation(20431, 0.1, seed=0)
    assert [part.tolist() for part in ours] == [train.indices, val.indices]


LABELS = np.array([1, 0, 0, 1, 2, 0, 1, 2, 0])


def test_first_n_keeps_file_order_class_by_class() -> None:
    kept = longtail.keep(LABELS, np.array([3, 2, 1]), "first_n", seed=5)
    assert kept.tolist() == [1, 2, 5, 0, 3, 4]


def test_what_a_dataset_of_torchvision_has_is_taken() -> None:
    """`targets` is a list there."""
    counts = np.array([3, 2, 1])
    for subset in ("first_n", "ldam", "random"):
        as_array = longtail.keep(LABELS, counts, subset, 0)
        given = longtail.keep(LABELS.tolist(), counts.tolist(), subset, 0)
        assert given.tolist() == as_array.tolist()
        assert len(given) == 6


@pytest.mark.parametrize(
    ("counts", "subset", "message"),
    [
        ([3, 2, 1], "LDAM", "subset: expected first_n, ldam or random, got 'LDAM'"),
        ([3, 2, 3], "ldam", "class 2: 3 images are to stay, but it has 2"),
    ],
)
def test_what_cannot_be_kept(counts: list[int], subset: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        longtail.keep(LABELS, counts, subset, 0)


@pytest.mark.parametrize(
    ("imb_type", "factor", "message"),
    [
        ("expo", 0.01, "imb_type: expected exp or step, got 'expo'"),
        ("exp", 100, r"in \(0, 1\], got 100 \(the 100 of many papers is 0.01 here\)"),
        ("step", 0, r"in \(0, 1\], got 0 "),
    ],
)
def test_what_is_no_imbalance(imb_type: str, factor: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        longtail.class_counts(500, 10, imb_type, factor)


def test_ldam_is_one_legacy_stream_in_label_order() -> None:
    np_random = np.random.RandomState(0)
    expected = []
    for label, count in ((0, 3), (1, 2), (2, 1)):
        index = np.where(label == LABELS)[0]
        np_random.shuffle(index)
        expected += index[:count].tolist()
    for seed in (0, 1):
        assert longtail.keep(LABELS, np.array([3, 2, 1]), "ldam", seed).tolist() == expected


def test_random_depends_on_the_seed() -> None:
    labels = np.repeat(np.arange(3), 50)
    counts = np.array([20, 10, 5])
    draws = [longtail.keep(labels, counts, "random", seed).tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]
    assert np.bincount(labels[draws[0]]).tolist() == [20, 10, 5]
    assert len(set(draws[0])) == 35


def test_none_keeps_every_image(options: params.Params) -> None:
    none = dataclasses.replace(options.data, imb_type="none", val_fraction=0.0)
    subset = longtail.make(LABELS, 3, none)
    assert sorted(subset.train) == list(range(9))
    assert len(subset.val) == 0
    assert subset.counts.tolist() == [4, 3, 2]


def test_validation_must_leave_every_class_an_image(options: params.Params) -> None:
    labels = np.repeat(np.arange(2), 10)
    greedy = dataclasses.replace(options.data, imb_factor=0.1, val_fraction=0.95)
    with pytest.raises(
        ValueError, match=r"data\.val_fraction: 0\.95 takes the last .* class [01] \(of \d+\)"
    ):
        longtail.make(labels, 2, greedy)


def test_subset_hash_is_that_of_little_endian_int64() -> None:
    # sha256 of eight zero bytes
    expected = "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc"
    assert longtail.subset_hash(np.array([0], dtype=np.int32).astype(np.int64)) == expected


# dataset; the start of the SHA-256 of its first_n and of its ldam subset
HASHES = [
    ("cifar10", "exp", 0.1, "a387dc95e999613e", "a17d69f192b1cf6d"),
    ("cifar10", "exp", 0.01, "990356e6ec8afbc5", "4bf45bff8878d278"),
    ("cifar10", "step", 0.1, "44889b151a48cf92", "b642343bd45cef70"),
    ("cifar10", "step", 0.01, "87feea52a076dde3", "7dde7b6c248f7ba6"),
    ("cifar100", "exp", 0.1, "84a5c3b31685b50f", "b4fbf1bf0a7f3338"),
    ("cifar100", "exp", 0.01, "ccbdac63c9f8cfc0", "e0d58a4d2700c460"),
    ("cifar100", "step", 0.1, "ff4b78d1c8bce36e", "0ef492d8ed1e61aa"),
    ("cifar100", "step", 0.01, "a5b5da0d60db4f10", "e0fcb6d47d8d24f1"),
]


@cache
def official_labels(name: str) -> np.ndarray:
    cls = CIFAR10 if name == "cifar10" else CIFAR100
    return np.array(cls(str(ROOT / datasets.ARCHIVES)).targets)


@needs_cifar
@pytest.mark.parametrize(("name", "imb_type", "factor", "first_n", "ldam"), HASHES)
def test_subsets_of_the_official_files(
    name: str, imb_type: str, factor: float, first_n: str, ldam: str
) -> None:
    labels = official_labels(name)
    for subset, digest in (("first_n", first_n), ("ldam", ldam)):
        options = params.Data(name, imb_type, factor, subset, 0.1, 0)  # type: ignore[arg-type]
        assert longtail.make(labels, labels.max() + 1, options).sha256.startswith(digest)


def test_the_seed_decides_what_validates(options: params.Params) -> None:
    labels = np.repeat(np.arange(3), 100)
    first, again, other = (
        longtail.make(labels, 3, dataclasses.replace(options.data, subset="first_n", seed=seed))
        for seed in (0, 0, 1)
    )
    assert first.val.tolist() == again.val.tolist() != other.val.tolist()
    assert first.sha256 == other.sha256


@pytest.mark.parametrize("counts", [[2, -1], [2], [1.0, 1.0], []])
def test_counts_that_fit_no_labels_are_refused(counts: list[float]) -> None:
    """-1 would keep all but one; a class without a count would be left out without a word."""
    with pytest.raises(ValueError, match="counts: expected a whole number from 0 on for each of 2"):
        longtail.keep([0, 0, 1, 1], counts, "first_n", 0)


@pytest.mark.parametrize(("largest", "classes"), [(100, 1), (0, 10)])
def test_no_long_tail_of_one_class_or_no_image(largest: int, classes: int) -> None:
    with pytest.raises(ValueError, match="img_max, num_classes: expected at least 1 and 2"):
        longtail.class_counts(largest, classes, "exp", 0.1)
