from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from lt.data import folders, listing
from tests.data import own


def test_names_in_natural_order(tmp_path: Path) -> None:
    own.classes(tmp_path, {str(k): 2 for k in (10, 1, 2, 12, 11, *range(3, 10))})
    made = listing.make(own.given(tmp_path))
    assert made["classes"] == [str(k) for k in range(1, 13)]
    assert sorted(["b", "A2", "a10", "a1"], key=folders.number_key) == ["a1", "A2", "a10", "b"]
    assert sorted(["01", "1"], key=folders.number_key) == ["01", "1"]


def test_files_come_in_the_order_of_their_names_whatever_the_class(tmp_path: Path) -> None:
    for name in ("a/3.png", "a/20.png", "b/1.png", "b/3.png", "b/deep/er/2.png"):
        own.draw(tmp_path / "train" / name, len(name))
    own.classes(tmp_path / "test", {"a": 1, "b": 1})
    made = listing.make(own.given(tmp_path))
    expected = ["b/1.png", "a/3.png", "b/3.png", "a/20.png", "er/2.png"]
    assert own.names(made, "train") == expected
    assert [file[1] for file in made["files"]["train"]] == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Valid"])
def test_train_val_and_test_folders(tmp_path: Path, name: str) -> None:
    for part, number in (("train", 3), (name, 2), ("test", 1)):
        own.classes(tmp_path / part, {"a": number, "b": number})
    made = listing.make(own.given(tmp_path))
    assert {part: len(files) for part, files in made["files"].items()} == {
        "train": 6,
        "val": 4,
        "test": 2,
    }
    assert (made["val"], made["test"]) == ("given", f"given: the test part of {tmp_path}")


def test_a_drawn_test_set_is_stratified_seeded_and_leaves_one_to_train(tmp_path: Path) -> None:
    own.classes(tmp_path, {"many": 20, "three": 3, "two": 2, "one": 1})
    made = listing.make(own.given(tmp_path))

    def counts(part: str) -> list[int]:
        labels = [file[1] for file in made["files"][part]]
        return [labels.count(k) for k in range(4)]

    assert made["classes"] == ["many", "one", "three", "two"]
    assert counts("test") == [4, 0, 1, 1]
    assert counts("train") == [16, 1, 2, 1]
    assert listing.make(own.given(tmp_path)) == made
    assert listing.make(own.given(tmp_path, seed=1)) != made
    told = "no test image of 1 of 4 classes: one; their figures are null"
    assert made["warnings"] == [told]


def test_what_is_no_image_is_counted_and_left(tmp_path: Path) -> None:
    own.classes(tmp_path, {"a": 3, "b": 3})
    for name in (".DS_Store", "a/.hidden.png", "a/Thumbs.db", "a/notes.TXT", "b/noending", "x.png"):
        (tmp_path / name).touch()
    own.classes(tmp_path, {".trash": 2, "empty": 0})
    own.draw(tmp_path / "a/.cache/1.png", 1)
    (tmp_path / "b/back").symlink_to(tmp_path / "b")
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "b/gone.png").symlink_to(tmp_path / "nowhere.png")
    made = listing.make(own.given(tmp_path))
    assert made["skipped"] == {
        ".db": 1,
        ".txt": 1,
        "hidden": 4,
        "link to nothing": 1,
        "no ending": 1,
        "outside of class folders": 1,
    }
    assert made["warnings"] == [f"folder {tmp_path}/empty has no image: left out"]
    assert made["classes"] == ["a", "b"]
    assert sum(map(len, made["files"].values())) == 6
    assert "6 images of 2 classes (a, b): 4 train, 2 test" in listing.in_words(made)


def test_unicode_and_spaces(tmp_path: Path) -> None:
    folder, name = tmp_path / "my photos", "Ka\u0308se 🧀"  # a and two dots
    own.classes(folder / "train", {name: 2, "two words": 2})
    own.classes(folder / "test", {"K\u00e4se 🧀": 1, "two words": 1})  # one character
    made = listing.make(own.given(folder))
    assert made["classes"] == ["K\u00e4se 🧀", "two words"]
    about = own.store(folder, tmp_path / "out")
    assert about["images"] == {"train": 4, "val": 0, "test": 2}


def test_nothing_is_written_to_the_folder(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 3, "b": 3})

    def state() -> list[tuple[str, int]]:
        return [(str(path), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))]

    every = [folder, *folder.rglob("*")]
    for path in every:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        before = state()
        own.store(folder, tmp_path / "out")
        assert state() == before
    finally:
        for path in every:
            path.chmod(0o755)


def refused(train: Path, **options: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        listing.make(own.given(train, **options))
    return str(caught.value)


def test_a_class_whose_name_is_no_utf_8(tmp_path: Path) -> None:
    folder = own.classes(tmp_path, {"a": 2, "b": 2})
    (folder / "b").rename(folder / os.fsdecode(b"k\xe4se"))  # as an old archive unpacks it
    assert refused(folder) == "images: expected class folders named in UTF-8, got 'k\\udce4se'"


def test_a_class_that_only_the_test_set_has(tmp_path: Path) -> None:
    own.classes(tmp_path / "train", {"a": 2, "b": 2})
    own.classes(tmp_path / "test", {"a": 1, "dog": 3})
    assert refused(tmp_path) == (
        f"images.test: the test part of {tmp_path} has classes without a training image: "
        "'dog' (3 images); add some, or take these out; allowed: a, b"
    )
    own.classes(tmp_path / "valid", {"cat": 1})
    assert "the validation part has classes without a training image: 'cat' (1 i" in refused(
        tmp_path
    )


def test_a_class_that_the_test_set_lacks(tmp_path: Path) -> None:
    own.classes(tmp_path / "train", {"a": 2, "b": 2})
    test = own.classes(tmp_path / "elsewhere", {"a": 1})
    made = listing.make(own.given(tmp_path / "train", test=test))
    assert made["warnings"] == ["no test image of 1 of 2 classes: b; their figures are null"]
    assert made["test"] == f"given: {test}"


def test_folders_that_are_refused(tmp_path: Path) -> None:
    none = tmp_path / "none"
    assert f"images.train: expected a folder of class folders, a .csv or a list, got '{none}'" in (
        refused(none)
    )
    flat = tmp_path / "flat"
    own.draw(flat / "a.png", 0)
    assert refused(flat).startswith(
        f"images.train: {flat} has no image in a class folder or line; files skipped: "
        "outside of class folders 1; names of images end in avif, bmp,"
    )
    one = own.classes(tmp_path / "one", {"a": 3, "empty": 0})
    expected = f"images.train: expected at least two classes, got a in {one}"
    assert refused(one) == expected
    both = own.classes(tmp_path / "both", {"train": 1, "val": 1, "valid": 1})
    assert f"images.train: {both} has class folders in train, val, valid; expected" in refused(both)
    mixed = own.classes(tmp_path / "mixed", {"train": 2, "bus": 2, "test": 1})
    assert f"{mixed} has the folders test, train and bus side by side; expected" in refused(mixed)
    beside = own.classes(tmp_path / "beside", {"cat": 2, "dog": 2, "Test": 1})
    assert refused(beside).startswith(f"images.train: {beside} has the folder Test beside others;")
    for names in (("testing", "training"), ("test", "val")):
        parts = own.classes(tmp_path / "-".join(names), dict.fromkeys(names, 2))
        assert refused(parts).startswith("images.train: expected class folders, or folders train ")
        assert refused(parts).endswith(f"got {parts} with the folders {', '.join(names)}")
    picture = tmp_path / "both/train/0.png"
    assert refused(picture).endswith(f"a .csv or a list, got the image {picture}")
    single = own.classes(tmp_path / "single", {"a": 1, "b": 1})
    assert refused(single).endswith("got 2 classes of one image each")
    split = own.classes(tmp_path / "split/train", {"a": 1, "b": 1}).parent
    own.classes(split / "test", {"a": 1})
    assert refused(split, test=flat).startswith(f"images.test: {flat} has no image in a class fold")
    assert refused(split, test=single) == (
        f"images.test: expected null, since {split} has a test part; got '{single}'"
    )
    assert refused(split, root=flat).startswith(f"images.root: expected null with {split}, since")
    assert refused(split, classes=flat).startswith("images.classes: expected null with")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 2, "b": 2})
    (folder / "b").chmod(0)
    try:
        with pytest.raises(PermissionError) as caught:
            listing.make(own.given(folder))
        assert caught.value.filename == str(folder / "b")
    finally:
        (folder / "b").chmod(0o755)


def test_a_drawn_test_set_stays_when_images_come_and_go(tmp_path: Path) -> None:
    folder = own.classes(tmp_path / "photos", {"a": 40, "b": 30, "c": 10})
    before = set(own.names(listing.make(own.given(folder)), "test"))
    assert len(before) == 8 + 6 + 2
    own.draw(folder / "a/new.png", 1)
    own.classes(folder, {"aa": 5})
    (folder / "c/3.png").unlink()
    after = set(own.names(listing.make(own.given(folder)), "test"))
    assert {name for name in after if name.startswith("b/")} < before, "nothing happened there"
    assert len(before - after - {"c/3.png"}) <= 1, "at most the new one has taken a place"
    folder.rename(tmp_path / "elsewhere")
    assert set(own.names(listing.make(own.given(tmp_path / "elsewhere")), "test")) == after
    other = own.names(listing.make(own.given(tmp_path / "elsewhere", seed=1)), "test")
    assert after != set(other)


def test_names_that_differ_in_case_are_told(tmp_path: Path) -> None:
    own.classes(tmp_path, {"cat": 3, "Cat": 2, "dog": 3})
    made = listing.make(own.given(tmp_path))
    assert len(made["classes"]) == 3
    told = "the same name but for case, and two classes: Cat and cat"
    assert made["warnings"] == [told]


def test_a_folder_that_may_be_listed_and_not_entered_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pictures are no links to nothing: a class would be lost."""
    own.classes(tmp_path, {"a": 2, "b": 2})
    stat = os.stat

    def refuse(path: Any, *more: Any, **named: Any) -> os.stat_result:
        if os.path.dirname(path) == str(tmp_path / "b"):
            raise PermissionError(13, "Permission denied", path)
        return stat(path, *more, **named)

    monkeypatch.setattr(folders.os, "stat", refuse)
    with pytest.raises(PermissionError):
        listing.make(own.given(tmp_path))


def test_a_fraction_of_a_class_is_rounded_to_the_nearest_image(tmp_path: Path) -> None:
    own.classes(tmp_path, {"a": 8, "b": 12})  # a fifth is 1.6 and 2.4
    labels = [file[1] for file in listing.make(own.given(tmp_path))["files"]["test"]]
    assert [labels.count(label) for label in range(2)] == [2, 2]


def test_what_a_test_folder_leaves_out_is_told_too(tmp_path: Path) -> None:
    own.classes(tmp_path / "train", {"a": 2, "b": 2})
    test = own.classes(tmp_path / "elsewhere", {"a": 1, "b": 1, "empty": 0})
    (test / "a/notes.txt").touch()
    made = listing.make(own.given(tmp_path / "train", test=test))
    assert made["skipped"] == {".txt": 1}
    assert made["warnings"] == [f"folder {test}/empty has no image: left out"]
