from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lt.data import listing
from tests.data import own


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return own.classes(tmp_path / "my photos", {"cat": 3, "dog": 3})


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def refused(train: Path, **options: Any) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        listing.make(own.given(train, **options))
    return str(caught.value)


@pytest.mark.usefixtures("photos")
def test_a_list_is_cut_at_the_last_space(tmp_path: Path) -> None:
    lines = ["my photos/cat/0.png 0", "my photos/dog/0.png 1", "", "my photos/cat/1.png\t0"]
    made = listing.make(
        own.given(
            write(tmp_path / "train.txt", "\n".join(lines)),
            test=write(tmp_path / "test.txt", "my photos/dog/2.png 1\r\n"),
        )
    )
    assert own.names(made, "train") == ["cat/0.png", "dog/0.png", "cat/1.png"]
    assert own.names(made, "test") == ["dog/2.png"]
    assert made["classes"] == ["0", "1"]
    assert made["warnings"] == ["no test image of 1 of 2 classes: 0; their figures are null"]


def test_names_and_a_root(tmp_path: Path, photos: Path) -> None:
    train = write(tmp_path / "train.txt", "cat/0.png 10\ndog/0.png 2\ncat/1.png 10\n")
    made = listing.make(own.given(train, root=photos))
    assert made["classes"] == ["2", "10"]
    assert sorted(file[1] for file in made["files"]["train"]) == [0, 1], "one cat tests"
    names = write(tmp_path / "names.txt", "\ufeff" + "\n".join(f"n{10 - k}" for k in range(11)))
    made = listing.make(own.given(train, root=photos, classes=names))
    assert made["classes"] == ["n8", "n0"], "in the file's order"
    assert made["warnings"][:2] == [
        "class n10 has no image: left out",
        "class n9 has no image: left out",
    ]


def test_csv(tmp_path: Path, photos: Path) -> None:
    text = "\ufeffpath,label,split\n"
    text += 'cat/0.png,a cat,train\n"dog/0.png",dog,train\ncat/1.png,a cat,valid\n\n'
    text += "dog/1.png,dog,TEST\n"
    made = listing.make(own.given(write(tmp_path / "all.csv", text), root=photos))
    assert made["classes"] == ["a cat", "dog"]
    assert [own.names(made, part) for part in ("train", "val", "test")] == [
        ["cat/0.png", "dog/0.png"],
        ["cat/1.png"],
        ["dog/1.png"],
    ]
    test = write(photos / "test.csv", "label,path\na cat,cat/2.png\n")
    train = write(photos / "train.csv", "path,label\ncat/0.png,a cat\ndog/0.png,dog\n")
    made = listing.make(own.given(train, test=test))
    assert own.names(made, "test") == ["cat/2.png"]


def test_a_file_is_named_once(tmp_path: Path, photos: Path) -> None:
    text = "path,label\ncat/0.png,cat\ndog/0.png,dog\ncat/0.png,cat\n"
    path = write(photos / "all.csv", text)
    told = f"{path} line 4: expected each file once, got that of {path} line 2: {photos}/cat/0.png"
    assert refused(path) == told
    lines = write(tmp_path / "train.txt", "cat/0.png 0\ncat/0.png 1\n")
    assert "line 2: expected each file once, got that of" in refused(lines, root=photos)


def test_a_test_image_may_be_named_by_another_path(tmp_path: Path, photos: Path) -> None:
    (tmp_path / "link").symlink_to(photos)
    test = write(tmp_path / "test.csv", "path,label\nlink/cat/2.png,cat\nlink/dog/2.png,dog\n")
    made = listing.make(own.given(photos, test=test))
    assert own.names(made, "train") == ["cat/0.png", "dog/0.png", "cat/1.png", "dog/1.png"]


def test_what_a_file_names_as_test_images_does_not_train(photos: Path) -> None:
    drawn = listing.make(own.given(photos))
    lines = [f"{one},{one.split('/')[0]}" for one in own.names(drawn, "test")]
    test = write(photos / "test.csv", "\n".join(["path,label", *lines, ""]))
    made = listing.make(own.given(photos, test=test))
    assert own.names(made, "test") == own.names(drawn, "test")
    assert own.names(made, "train") == own.names(drawn, "train")
    own.draw(photos / "dog/new.png", 1)
    made = listing.make(own.given(photos, test=test))
    assert own.names(made, "test") == own.names(drawn, "test")
    assert "dog/new.png" in own.names(made, "train")
    write(test, "path,label\ncat/0.png,dog\n")
    with pytest.raises(ValueError, match=r"line 2: expected cat, as in .*my photos, got dog: "):
        listing.make(own.given(photos, test=test))
    every = [
        f"{kind}/{path.name},{kind}" for kind in ("cat", "dog") for path in photos.glob(f"{kind}/*")
    ]
    write(test, "\n".join(["path,label", *every, ""]))
    with pytest.raises(ValueError, match=r"test\.csv names every training image"):
        listing.make(own.given(photos, test=test))


def test_lines_that_are_refused(tmp_path: Path, photos: Path) -> None:
    path = tmp_path / "train.txt"
    write(path, "cat/0.png 0\ndog/0.png 1\nmy photos/cat/1.png\ncat/1.png -1\n 3\n")
    assert refused(path, root=photos).splitlines() == [
        f"{path} line 3: expected a path and a label, an integer from 0, got 'my photos/cat/1.png'",
        f"{path} line 4: expected a path and a label, an integer from 0, got 'cat/1.png -1'",
        f"{path} line 5: expected a path and a label, an integer from 0, got '3'",
    ]
    names = write(tmp_path / "names.txt", "cat\ndog\n")
    write(path, "cat/0.png 0\ndog/0.png 2\n")
    assert refused(path, root=photos, classes=names) == (
        f"{path} line 2: expected a label in 0 .. 1, got 2"
    )
    write(path, "".join(f"cat/{k}.png 0\n" for k in range(15)) + "dog 1\n")
    lines = refused(path, root=photos).splitlines()
    assert lines[0] == f"{path} line 4: no such image file: {photos}/cat/3.png"
    assert lines[-1] == "and 3 more"
    head, line, *_ = refused(path, root=photos / "cat").splitlines()
    assert head == "images.root: expected the folder that the paths start from; got none of"
    write(path, "cat/99.png 0\n")  # the place is right, and the file is gone
    assert refused(path, root=photos) == f"{path} line 1: no such image file: {photos}/cat/99.png"
    assert line == f"{path} line 1: no such image file: {photos}/cat/cat/0.png"
    write(path, "cat/0.png 0\ndog 1\n")
    assert refused(path, root=photos) == (
        f"{path} line 2: expected an image file, got no file: {photos}/dog"
    )
    assert refused(path, root=photos / "no") == f"images.root: expected a folder, got '{photos}/no'"
    write(path, "\n")
    assert "has no image in a class folder or line" in refused(path)
    path.write_bytes(b"k\xe4se.png 0\n")
    assert f"{path}: expected text in UTF-8, got" in refused(path)


def test_names_that_are_refused(tmp_path: Path, photos: Path) -> None:
    path = write(tmp_path / "train.txt", "cat/0.png 0\ndog/0.png 1\n")
    names = write(tmp_path / "names.txt", "cat\ncat\n")
    expected = f"images.classes: {names}: expected a name a line, each once, got 'cat' twice"
    assert refused(path, root=photos, classes=names) == expected
    write(names, "")
    assert refused(path, root=photos, classes=names).endswith("each once, got no name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the columns path,label,split or path,label, got ''"),
        ("cat/0.png,0\n", "line 1: expected the columns path,label,split or path,label, got 'cat"),
        ("path;label\n", "line 1: expected the columns path,label,split or path,label, got 'path"),
        ("path,label,spilt\n", "got 'path,label,spilt'"),
        ("path,label\nx,cat\ny\n", "line 3: expected path,label, got 'y'"),
        ("path,label\nx,\n", "line 2: expected path,label, got 'x,'"),
        (
            'path,label\nx,cat\n"y,cat\nz,dog\n',
            'line 3: expected a row of a CSV file (unexpected end of data); is there a " too many?',
        ),
        ('path,label\n"x,cat\n' + "y,dog\n" * 30_000, "line 2: expected a row of a CSV file"),
        (
            "path,label,split\nx,cat,dev\n",
            "line 2: expected a split of train, val, valid, validation, test, got 'dev'",
        ),
    ],
)
def test_csv_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "a.csv", text)
    assert message in refused(path)
    assert str(path) in refused(path)


def test_a_test_set_has_no_split(photos: Path) -> None:
    test = write(photos / "test.csv", "path,label,split\n")
    assert refused(photos, test=test) == (
        f"{test} line 1: expected the columns path,label, got 'path,label,split'"
    )


def test_what_a_file_names_as_test_images_does_not_validate(tmp_path: Path) -> None:
    for part in ("train", "val"):
        own.classes(tmp_path / "photos" / part, {"cat": 2, "dog": 2})
    test = write(tmp_path / "test.csv", "path,label\nphotos/val/cat/0.png,cat\n")
    made = listing.make(own.given(tmp_path / "photos", test=test))
    assert own.names(made, "test") == ["cat/0.png"]
    assert own.names(made, "val") == ["dog/0.png", "cat/1.png", "dog/1.png"]
    write(test, "path,label\nphotos/val/cat/0.png,dog\n")
    with pytest.raises(ValueError, match=r"line 2: expected cat, as in .*photos, got dog: "):
        listing.make(own.given(tmp_path / "photos", test=test))
