from __future__ import annotations

import builtins
import dataclasses
import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lt import files, images, params
from lt.data import datasets, listing, longtail, partition, photos, pixels
from lt.score import metrics, store
from lt.train import run as training
from lt.train.inputs import Inputs
from tests.conftest import ROOT, needs_cifar
from tests.data import own

CIFAR = datasets.RECIPES["cifar10"]
AS_CIFAR = {"size": 32, "mean": CIFAR.mean, "std": CIFAR.std}


def made_raw() -> datasets.Raw:
    """40 images of 10 classes as CIFAR has them, the labels mixed; 20 test images."""
    rng = np.random.default_rng(0)

    def part(number: int) -> tuple[Any, Any]:
        labels = rng.permutation(np.arange(number) % 10)
        noise = rng.integers(0, 100, (number, 32, 32, 3)) + 15 * labels[:, None, None, None]
        return noise.astype(np.uint8), labels.astype(np.int64)

    return datasets.Raw(*part(40), *part(20), [f"class {k}" for k in range(10)])


def same_arrays(one: Path, other: Path) -> bool:
    names = [f"{part}_{kind}.npy" for part in ("train", "test") for kind in ("images", "labels")]
    classes = [files.read_json(folder / "classes.json") for folder in (one, other)]
    return classes[0] == classes[1] and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


def trained(folder: Path, about: dict[str, Any], name: str, options: params.Params) -> Any:
    """What the test images score after an epoch."""
    data = params.Data(name, "exp", 0.5, "first_n", 0.1, 0)  # type: ignore[arg-type]
    raw = datasets.load_all(folder)
    classes = files.read_json(folder / "classes.json")
    subset = longtail.make(np.asarray(raw["train_labels"]), len(classes), data)
    summary = {**longtail.summarise(subset, classes, data), **about}
    cut = partition.describe(summary, options.partition)
    inputs = Inputs(raw, subset.train, subset.val, summary, cut)
    small = dataclasses.replace(options.train, backbone="resnet20", epochs=1, batch_size=8)
    one = dataclasses.replace(params.trainings(options)[0], train=small)
    training.run(one, inputs, folder.parent / f"{name}_model", quiet=True)
    outputs = store.load_outputs(folder.parent / f"{name}_model")
    views = store.load_views(folder.parent / f"{name}_model")
    return subset.sha256, outputs.test, metrics.score("concat", views, outputs, cut)[0]


def test_a_dataset_written_as_png_trains_to_the_same_bit_for_bit(
    tmp_path: Path, options: params.Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LT_SCRATCH", str(tmp_path / "scratch"))
    raw = made_raw()
    datasets.save(raw, tmp_path / "cifar10")
    about = own.store(own.write_out(raw, tmp_path / "png"), tmp_path / "images", **AS_CIFAR)
    assert same_arrays(tmp_path / "cifar10", tmp_path / "images")
    recipe = {"recipe": about["recipe"]}
    assert datasets.recipe({"name": "images", **recipe}) == CIFAR
    theirs = trained(tmp_path / "cifar10", {}, "cifar10", options)
    ours = trained(tmp_path / "images", recipe, "images", options)
    assert ours[0] == theirs[0]
    assert np.array_equal(ours[1], theirs[1])
    assert ours[2] == theirs[2]


@needs_cifar
def test_cifar_written_as_png_comes_back(tmp_path: Path) -> None:
    raw = datasets.read("cifar10", ROOT / datasets.ARCHIVES)
    part = datasets.Raw(
        *(raw.train_images[:400], raw.train_labels[:400]),
        *(raw.test_images[:200], raw.test_labels[:200]),
        raw.classes,
    )
    datasets.save(part, tmp_path / "cifar10")
    about = own.store(own.write_out(part, tmp_path / "png"), tmp_path / "images", **AS_CIFAR)
    assert same_arrays(tmp_path / "cifar10", tmp_path / "images")
    assert datasets.recipe({"name": "images", **about}) == CIFAR


def test_list_and_csv_give_what_folders_give(tmp_path: Path) -> None:
    raw = made_raw()
    png = own.write_out(raw, tmp_path / "png")
    rows: dict[str, list[str]] = {"train": [], "test": []}
    for part, lines in rows.items():
        for k, label in enumerate(getattr(raw, f"{part}_labels")):
            lines.append(f"{part}/{raw.classes[label]}/{k}.png,{label}")
    for part, lines in rows.items():
        text = "\n".join(line.replace(",", " ") for line in lines)
        (tmp_path / f"{part}.txt").write_text(text)
    (tmp_path / "names.txt").write_text("\n".join(raw.classes))
    csv = [
        f"{line.rpartition(',')[0]},class {line[-1]},{part}" for part in rows for line in rows[part]
    ]
    (tmp_path / "all.csv").write_text("\n".join(["path,label,split", *csv]))
    own.store(png, tmp_path / "a", size=32)
    own.store(
        tmp_path / "train.txt",
        tmp_path / "b",
        test=tmp_path / "test.txt",
        root=png,
        classes=tmp_path / "names.txt",
        size=32,
    )
    own.store(tmp_path / "all.csv", tmp_path / "c", root=png, size=32)
    assert same_arrays(tmp_path / "a", tmp_path / "b")
    assert same_arrays(tmp_path / "a", tmp_path / "c")


def test_scaled_by_the_shorter_side_and_cut_to_the_centre(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos/test", {"a": 1, "b": 1}).parent
    own.draw(folder / "train/a/wide.png", 1, (48, 16))
    own.draw(folder / "train/b/xtall.png", 2, (16, 48))
    own.store(folder, tmp_path / "out")
    stored = np.load(tmp_path / "out/train_images.npy")
    wide, tall = (Image.open(folder / "train" / name) for name in ("a/wide.png", "b/xtall.png"))
    assert np.array_equal(stored[0], wide.resize((24, 8)).crop((8, 0, 16, 8)))
    assert np.array_equal(stored[1], tall.resize((8, 24)).crop((0, 8, 8, 16)))


def test_mean_and_deviation_are_those_of_the_training_images(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for part, number in (("train", 5), ("val", 3), ("test", 2)):
        own.classes(folder / part, {"a": number, "b": number})
    about = own.store(folder, tmp_path / "out")
    assert about["images"] == {"train": 10, "val": 6, "test": 4}
    val = np.load(tmp_path / "out" / "val.npy")
    assert val.tolist() == list(range(10, 16))
    pixels = np.load(tmp_path / "out" / "train_images.npy")[:10] / 255
    assert about["recipe"]["mean"] == pytest.approx(pixels.mean(axis=(0, 1, 2)), abs=1e-6)
    assert about["recipe"]["std"] == pytest.approx(pixels.std(axis=(0, 1, 2)), abs=1e-6)
    assert (about["recipe"]["pad"], about["recipe"]["flip"]) == (1, True)
    assert about["sha256"]["test"] == files.sha256(tmp_path / "out" / "test_images.npy")
    paths = files.read_json(tmp_path / "out" / "files.json")
    assert paths["test"] == [f"test/{c}/{k}.png" for k in "01" for c in "ab"]
    folder.rename(tmp_path / "elsewhere")
    assert own.store(tmp_path / "elsewhere", tmp_path / "moved") == about
    assert files.read_json(tmp_path / "moved/files.json") == paths


def test_a_given_validation_set_validates() -> None:
    labels = np.array([0, 0, 0, 1, 1, 0, 1, 1, 1])
    data = params.Data("images", "none", 0.1, "first_n", 0.5, 0)
    subset = longtail.make(labels, 2, data, np.array([5, 6, 7, 8]))
    assert sorted(subset.train.tolist()) == [0, 1, 2, 3, 4]
    assert subset.val.tolist() == [5, 6, 7, 8]
    assert (subset.counts.tolist(), subset.val_counts.tolist()) == ([3, 2], [1, 3])
    exp = dataclasses.replace(data, imb_type="exp", imb_factor=0.5)
    assert longtail.make(labels, 2, exp, np.array([5, 6, 7, 8])).counts.tolist() == [2, 1]


def test_a_class_of_one_image_trains() -> None:
    labels = np.array([0] * 10 + [1, 2])
    for seed in range(10):
        data = params.Data("images", "none", 0.1, "first_n", 0.5, seed)
        subset = longtail.make(labels, 3, data)
        assert set(labels[subset.train]) == {0, 1, 2}
        assert len(subset.train) + len(subset.val) == 12


@pytest.fixture
def corrupt(tmp_path: Path) -> Path:
    folder = own.classes(tmp_path / "photos/train", {"a": 4, "b": 4}).parent
    own.classes(folder / "test", {"a": 2, "b": 2})
    (folder / "train/a/1.png").write_bytes(b"")
    (folder / "train/b/2.png").write_text("not an image")
    cut = folder / "test/b/0.png"
    cut.write_bytes(cut.read_bytes()[:100])
    return folder


@pytest.mark.parametrize("processes", [1, 2])
def test_all_corrupt_images_are_listed(tmp_path: Path, corrupt: Path, processes: int) -> None:
    with pytest.raises(ValueError, match=r"3 of 12 images cannot be read") as caught:
        own.store(corrupt, tmp_path / "out", processes)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("images.skip_corrupt=true goes on without them:")
    assert lines[:2] == [
        f"{corrupt}/train/a/1.png: not an image file",
        f"{corrupt}/train/b/2.png: not an image file",
    ]
    assert lines[2].startswith(f"{corrupt}/test/b/0.png: not a whole image file (")
    assert len(lines) == 3


def test_skipping_corrupt_images(tmp_path: Path, corrupt: Path) -> None:
    about = own.store(corrupt, tmp_path / "out", skip_corrupt=True)
    assert about["images"] == {"train": 6, "val": 0, "test": 3}
    assert len(about["corrupt"]) == 3
    for name in ("train/a/1.png", "train/b/2.png", "test/b/0.png"):
        (corrupt / name).unlink()
    own.store(corrupt, tmp_path / "without")
    assert same_arrays(tmp_path / "out", tmp_path / "without")
    for k in (0, 2, 3):
        (corrupt / f"train/a/{k}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"images\.skip_corrupt: .* got none of a;") as caught:
        own.store(corrupt, tmp_path / "none", skip_corrupt=True)
    assert str(caught.value).splitlines()[1:] == [
        f"{corrupt}/train/a/{k}.png: not an image file" for k in (0, 2, 3)
    ]


def test_several_processes_store_the_same(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 30, "b": 20})
    counted: list[int] = []
    made = listing.make(own.given(folder))
    about, warnings = photos.store(made, own.OPTIONS, tmp_path / "two", 2, counted.append)
    assert {**about, "warnings": warnings} == own.store(folder, tmp_path / "one")
    assert same_arrays(tmp_path / "one", tmp_path / "two")
    assert sum(counted) == 50


def test_a_picture_in_train_and_test(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos/train", {"a": 3, "b": 3}).parent
    own.classes(folder / "test", {"a": 2, "b": 2})
    image = Image.open(folder / "train/a/2.png")
    image.save(folder / "test/b/same.bmp")  # another file, the same pixels
    with pytest.raises(ValueError, match="1 of 5 test images are training") as caught:
        own.store(folder, tmp_path / "out")
    assert str(caught.value).splitlines()[1:] == [
        f"{folder}/train/a/2.png = {folder}/test/b/same.bmp"
    ]
    (folder / "test/b/same.bmp").rename(folder / "train/b/same.bmp")
    about = own.store(folder, tmp_path / "again")
    assert about["warnings"] == [
        "1 training images are there before, pixel by pixel, 1 of them in another class: "
        "train/a/2.png = train/b/same.bmp"
    ]
    for name in ("a/once.bmp", "a/twice.bmp", "b/other.bmp"):
        Image.open(own.draw(tmp_path / "one.png", 99)).save(folder / "test" / name)
    assert own.store(folder, tmp_path / "torn")["warnings"][1:] == [
        "1 test images are there before, pixel by pixel, so that one answer counts twice: "
        "test/a/once.bmp = test/a/twice.bmp",
        "1 test images are there before, pixel by pixel, in another class, so that one answer "
        "counts as wrong: test/a/once.bmp = test/b/other.bmp",
    ]


def test_a_picture_that_trains_and_validates(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for part in ("train", "val", "test"):
        own.classes(folder / part, {"a": 2, "b": 2})
    Image.open(folder / "train/a/1.png").save(folder / "val/a/same.bmp")
    assert own.store(folder, tmp_path / "out")["warnings"] == [
        "1 validation images that train as well are there before, pixel by pixel: "
        "train/a/1.png = val/a/same.bmp"
    ]
    Image.open(folder / "train/a/0.png").save(folder / "val/b/other.bmp")
    Image.open(folder / "train/a/0.png").save(folder / "train/a/again.bmp")
    Image.open(folder / "val/b/1.png").save(folder / "val/b/again.bmp")
    assert own.store(folder, tmp_path / "more")["warnings"] == [
        "1 training images are there before, pixel by pixel: train/a/0.png = train/a/again.bmp",
        "1 validation images are there before, pixel by pixel: val/b/1.png = val/b/again.bmp",
        "2 validation images that train as well are there before, pixel by pixel, 1 of them in "
        "another class: train/a/0.png = val/b/other.bmp; train/a/1.png = val/a/same.bmp",
    ]


def test_what_no_pixel_depends_on_trains_nothing_anew(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 5, "b": 5})
    own.store(folder, tmp_path / "before")
    (folder / "empty").mkdir()
    made = listing.make(own.given(folder))
    assert made["warnings"]
    rows = [[one[0], made["classes"][one[1]]] for one in made["files"]["test"]]
    lines = "".join(f"{path},{label}\n" for path, label in rows)
    (tmp_path / "test.csv").write_text(f"path,label\n{lines}")
    own.store(folder, tmp_path / "kept", test=str(tmp_path / "test.csv"))
    for name in ("about.json", "files.json", "classes.json"):
        assert (tmp_path / "before" / name).read_text() == (tmp_path / "kept" / name).read_text()
    assert same_arrays(tmp_path / "before", tmp_path / "kept")


def test_files_that_are_given_for_both(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 30, "b": 30})
    made = listing.make(own.given(folder, test=folder))
    message = f"60 of 60 test images are files of images.train; expected others, got {folder}/a/"
    with pytest.raises(ValueError, match=message) as caught:
        photos.store(made, own.OPTIONS, tmp_path / "out", 1)
    assert len(str(caught.value).splitlines()) == 1


def test_a_picture_is_the_same_however_it_is_stored(tmp_path: Path) -> None:
    """Turned by its EXIF data, as a palette, with 16 bits, as the first frame of several."""
    folder = own.classes(tmp_path / "photos/train", {"a": 1, "b": 1}).parent
    test = own.classes(folder / "test", {"a": 0, "b": 1}) / "a"
    grey = Image.fromarray(np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6
    grey.save(folder / "train/a/gr\u00fc\u00df dich 🙂.png")
    grey.rotate(90).save(test / "turned.png", exif=exif)
    grey.convert("P").save(test / "palette.png")
    Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(test / "deep.png")
    grey.save(test / "moving.gif", save_all=True, append_images=[grey.rotate(180)])
    with pytest.raises(ValueError, match="4 of 5 test images are training images") as caught:
        own.store(folder, tmp_path / "out")
    assert str(caught.value).count("gr\u00fc\u00df dich 🙂.png = ") == 4


def test_where_the_test_is_drawn_all_pairs_are_listed(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 2, "b": 12})
    shutil.copy(folder / "a/0.png", folder / "a/2.png")
    for k in range(12):
        shutil.copy(folder / f"b/{k}.png", folder / f"b/{k + 20}.png")
    with pytest.raises(ValueError, match="too, pixel by pixel") as caught:
        own.store(folder, tmp_path / "out")
    assert str(caught.value).count(" = ") == 13


def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 3, "b": 3})
    made = listing.make(own.given(folder))
    own.draw(folder / "a/1.png", 99, (9, 9))
    skipping = dataclasses.replace(own.OPTIONS, skip_corrupt=True)
    with pytest.raises(
        ValueError, match=r"^[^\n]*a/1\.png: changed since it was listed\n`dvc repro`"
    ):
        photos.store(made, skipping, tmp_path / "out", 1)


def test_the_room_is_taken_before_an_image_is_decoded(tmp_path: Path) -> None:
    """Else a full disk would kill whoever writes to the mapped array, without a word."""
    pixels.create(tmp_path / "a.npy", 100, 32)
    there = (tmp_path / "a.npy").stat()
    assert there.st_blocks * 512 >= there.st_size == 128 + 100 * 32 * 32 * 3


def test_of_mean_and_deviation_the_one_that_is_given_stays(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 5, "b": 5})
    measured = own.store(folder, tmp_path / "none")["recipe"]
    half: Any = (0.5, 0.5, 0.5)
    mean = own.store(folder, tmp_path / "mean", mean=half)["recipe"]
    std = own.store(folder, tmp_path / "std", std=half)["recipe"]
    assert (mean["mean"], mean["std"]) == (half, measured["std"])
    assert (std["mean"], std["std"]) == (measured["mean"], half)


def test_no_padding_is_none(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 5, "b": 5})
    assert own.store(folder, tmp_path / "out", pad=0)["recipe"]["pad"] == 0


def test_images_of_one_colour_have_a_deviation(tmp_path: Path) -> None:
    """Else normalising them divides by zero."""
    np.save(tmp_path / "a.npy", np.full((4, 8, 8, 3), 51, dtype=np.uint8))
    assert photos.measure(tmp_path / "a.npy", np.arange(4)) == ((0.2,) * 3, (0.003922,) * 3)


def test_more_images_than_are_in_memory_at_once(
    tmp_path: Path, corrupt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = own.store(corrupt, tmp_path / "whole", skip_corrupt=True)
    monkeypatch.setattr(photos, "BLOCK", 4)
    assert own.store(corrupt, tmp_path / "blocks", skip_corrupt=True) == whole
    assert same_arrays(tmp_path / "whole", tmp_path / "blocks")


def test_a_test_image_that_validates_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for part in ("train", "val", "test"):
        own.classes(folder / part, {"a": 2, "b": 2})
    Image.open(folder / "val/a/1.png").save(folder / "test/a/same.bmp")
    with pytest.raises(ValueError, match="1 of 5 test images are training images, too"):
        own.store(folder, tmp_path / "out")


def test_files_that_change_places_are_others(tmp_path: Path) -> None:
    """Of one size, and of one time: as out of an archive."""
    folder = own.classes(tmp_path / "photos", {"a": 3, "b": 3})
    one, other = folder / "a/1.bmp", folder / "b/1.bmp"
    for path in (one, other):
        Image.open(path.with_suffix(".png")).save(path)
        path.with_suffix(".png").unlink()
        os.utime(path, ns=(1, 1))
    before = listing.make(own.given(folder))
    assert one.stat().st_size == other.stat().st_size
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    assert listing.make(own.given(folder))["files"] != before["files"]


@pytest.mark.parametrize("fails", ["gone", "stat", "open"])
def test_what_cannot_be_read_now_is_not_skipped(
    tmp_path: Path, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 3, "b": 3})
    made, wanted, told = listing.make(own.given(folder)), folder / "a/1.png", "Stale file handle$"
    if fails == "gone":
        wanted.unlink()
        told = rf"{pixels.CHANGED}\n`dvc repro` lists the files anew$"
    else:
        module: Any = os if fails == "stat" else builtins
        real = getattr(module, fails)

        def stale(path: Any, *others: Any, **named: Any) -> Any:
            if str(path) == str(wanted):
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
            return real(path, *others, **named)

        monkeypatch.setattr(module, fails, stale)
    skipping = dataclasses.replace(own.OPTIONS, skip_corrupt=True)
    with pytest.raises(ValueError, match=rf"^[^\n]*a/1\.png: {told}"):
        photos.store(made, skipping, tmp_path / "out", 1)


def test_the_image_that_memory_does_not_suffice_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 3, "b": 3})

    def fails(_path: str, _mode: str) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(images, "read", fails)
    with pytest.raises(ValueError, match=r"a/0\.png: out of memory: expected a smaller image, or"):
        own.store(folder, tmp_path / "out", skip_corrupt=True)


def test_a_file_of_the_same_size_may_have_changed(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 3, "b": 3})
    made = listing.make(own.given(folder))
    os.utime(folder / "a/1.png", ns=(1, 1))
    with pytest.raises(ValueError, match=r"a/1\.png: changed since it was listed"):
        photos.store(made, own.OPTIONS, tmp_path / "out", 1)


def test_pictures_of_another_shape_or_end_are_not_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many black pixels in a row and in a column; two that differ in their last row alone."""
    monkeypatch.setattr(pixels, "ROWS", 3)
    folder = own.classes(tmp_path / "photos/train", {"a": 1, "b": 1}).parent
    own.classes(folder / "test", {"a": 1, "b": 1})
    Image.new("RGB", (8, 4)).save(folder / "train/a/wide.png")
    Image.new("RGB", (4, 8)).save(folder / "train/b/tall.png")
    tall = np.zeros((8, 8, 3), dtype=np.uint8)
    for value, name in ((1, "a/one.png"), (2, "b/two.png")):
        tall[-1] = value
        Image.fromarray(tall).save(folder / "train" / name)
    assert own.store(folder, tmp_path / "out")["warnings"] == []
