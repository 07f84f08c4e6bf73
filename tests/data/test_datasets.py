from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

from lt import params, process
from lt.data import datasets
from stages import download
from tests.conftest import ROOT, needs_cifar


@pytest.fixture(scope="module")
def digits() -> datasets.Raw:
    return datasets.read("digits")


def test_digits_are_scikit_learns(digits: datasets.Raw) -> None:
    assert digits.train_images.shape == (1437, 8, 8, 1)
    assert digits.test_images.shape == (360, 8, 8, 1)
    assert digits.train_images.dtype == np.uint8
    assert digits.train_images.max() == 255
    assert digits.classes == [str(k) for k in range(10)]
    assert len(digits.classes) == params.CLASSES["digits"]


def test_a_fifth_of_every_digit_is_in_the_test(digits: datasets.Raw) -> None:
    test, train = np.bincount(digits.test_labels), np.bincount(digits.train_labels)
    assert np.abs(test / (test + train) - 0.2).max() < 0.005


def test_digits_recipe_is_their_measured_mean_and_deviation(digits: datasets.Raw) -> None:
    pixels = digits.train_images / 255
    assert datasets.RECIPES["digits"].mean[0] == pytest.approx(pixels.mean(), abs=0.001)
    assert datasets.RECIPES["digits"].std[0] == pytest.approx(pixels.std(), abs=0.001)


def test_saved_and_loaded(digits: datasets.Raw, tmp_path: Path) -> None:
    datasets.save(digits, tmp_path / "digits")
    images = datasets.load(tmp_path / "digits", "test_images")
    assert isinstance(images, np.memmap)
    assert np.array_equal(images, digits.test_images)


def test_an_array_cut_short_is_refused(digits: datasets.Raw, tmp_path: Path) -> None:
    datasets.save(digits, tmp_path / "digits")
    path = tmp_path / "digits" / "train_labels.npy"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"train_labels\.npy: missing or cut short.*download@dig"):
        datasets.load(tmp_path / "digits", "train_labels")
    path.unlink()
    with pytest.raises(ValueError, match="missing or cut short"):
        datasets.load(tmp_path / "digits", "train_labels")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")


@pytest.mark.usefixtures("no_network")
def test_no_network_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing") as error:
        datasets.read("cifar10", tmp_path)
    message = str(error.value)
    assert "data_batch_1: missing" in message
    assert f"Put cifar-10-python.tar.gz (md5 {CIFAR10.tgz_md5}) into {tmp_path}/" in message


@pytest.mark.usefixtures("no_network")
def test_a_truncated_archive(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"\x1f\x8b half an archive")
    with pytest.raises(ValueError, match=r"tar\.gz has another md5\)\.\nPut cifar-10-python"):
        datasets.read("cifar10", tmp_path)


@pytest.mark.usefixtures("no_network")
def test_a_corrupt_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(b"not a batch")
    with pytest.raises(ValueError, match="data_batch_1: corrupt or cut short"):
        datasets.read("cifar10", tmp_path)


@pytest.mark.usefixtures("no_network")
def test_a_queued_experiment_has_the_archives_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / ".dvc/tmp/exps/tmpabc"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    with pytest.raises(ValueError, match=f"into {tmp_path}/data/archives/, or its unpacked"):
        download.run(["cifar10"])


def test_what_another_process_has_fetched_meanwhile_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"a batch"
    md5 = hashlib.md5(text).hexdigest()

    class Published:
        base_folder, url, filename, tgz_md5 = "batches", "", "", ""
        train_list = test_list = (("batch", md5),)
        meta: ClassVar = {"filename": "meta", "md5": md5}

        def __init__(self, *_: object, **__: object) -> None:
            raise AssertionError("it is there")

    @contextmanager
    def lock(path: Path, _told: str) -> Iterator[None]:
        (path.parent / "batches").mkdir()
        for name in ("batch", "meta"):
            (path.parent / "batches" / name).write_bytes(text)
        yield

    monkeypatch.setattr(process, "patient_lock", lock)
    datasets._fetch_cifar(Published, tmp_path)


@needs_cifar
@pytest.mark.usefixtures("no_network")
def test_official_files_are_read_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is downloaded where the files are there")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", fail)
    raw = datasets.read("cifar10", ROOT / datasets.ARCHIVES)
    assert raw.train_images.shape == (50000, 32, 32, 3)
    assert np.bincount(raw.train_labels).tolist() == [5000] * 10
    assert np.bincount(raw.test_labels).tolist() == [1000] * 10
    assert raw.classes[:2] == ["airplane", "automobile"]
    assert raw.train_labels[:3].tolist() == [6, 9, 9]


def test_cifar_is_padded_and_normalised_as_the_field_does() -> None:
    """kaidic/LDAM-DRW at 2536330, cifar_train.py."""
    for name in ("cifar10", "cifar100"):
        recipe = datasets.RECIPES[name]
        assert (recipe.pad, recipe.flip) == (4, True)
        assert recipe.mean == (0.4914, 0.4822, 0.4465)
        assert recipe.std == (0.2023, 0.1994, 0.2010)
