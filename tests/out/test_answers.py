"""Files, folders and lists in; a row each out."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lt import images
from lt.data.views import ClassView
from lt.out import answers, decode, given
from lt.out.answers import Words
from tests.conftest import ROOT, run
from tests.test_images import deep_png

WORDS = Words(
    ["cat", "dog", "cow"],
    [[0], [1, 2]],
    [ClassView((0,), 3), ClassView((2, 1), 3, "rest")],
    are_probabilities=True,
)


def test_files_folders_and_lists(tmp_path: Path) -> None:
    inside = tmp_path / "photos" / "b"
    inside.mkdir(parents=True)
    for name in ("10.png", "2.png", ".hidden.png", "notes.txt", "b/1.jpg"):
        (tmp_path / "photos" / name).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text(f"a b.png\n\n{tmp_path / 'photos'}\n")
    (tmp_path / "none.txt").write_text("\n")
    arguments = [tmp_path / "list.txt", "c.png", tmp_path / "empty", tmp_path / "none.txt"]
    found = given.find([str(one) for one in arguments])
    folder = [str(tmp_path / "photos" / name) for name in ("2.png", "10.png", "b/1.jpg")]
    assert found.paths == ["a b.png", *folder, "c.png"]
    assert [found.folders[path] for path in folder] == [("photos",), ("photos",), ("b", "photos")]
    assert found.problems == [
        f"{tmp_path / 'empty'}: no picture in this folder",
        f"{tmp_path / 'none.txt'}: no line in this list",
    ]


def test_folders_that_are_named_after_classes_tell_what_is_right() -> None:
    folders = {"1": ("cat", "x"), "2": ("y", "cat"), "3": ("dog", "cat"), "4": ("z", "\udcff")}
    hits = answers.Hits(["cat", "dog"], folders)
    assert hits.tell() == ""
    for path, said in (("1", "cat"), ("2", "dog"), ("3", "dog"), ("4", "dog"), ("5", "cat")):
        hits.count(answers.Answer(path, [(said, 0.5)], 0, []))
    assert hits.tell() == (
        "3 images lie in folders named after classes: 2 answers are right, 66.67 %; the mean over "
        "2 classes is 75.00 %"
    )


def test_a_name_that_is_no_utf8_counts_too() -> None:
    hits = answers.Hits(["cat"], {"\udcff.png": ("cat",)})
    hits.count(answers.Answer(answers.shown("\udcff.png"), [("cat", 0.5)], 0, []))
    assert hits.tell().startswith("1 images lie in folders named after classes: 1 answers are")


def test_a_class_may_have_folders_named_as_other_classes(tmp_path: Path) -> None:
    """A training takes the folder of the class, and not those in it."""
    for name in ("3/7/a.png", "test/7/3/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / name)
    found = given.find([str(tmp_path)])
    hits = answers.Hits(["3", "7"], found.folders)
    for path, said in zip(found.paths, ("3", "7"), strict=True):
        hits.count(answers.Answer(path, [(said, 0.5)], 0, []))
    assert "2 answers are right" in hits.tell()


def test_batches_are_the_files_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "BATCH", 3)
    paths = [str(tmp_path / f"{k}.png") for k in range(11)]
    for k, path in enumerate(paths):
        Image.new("L", (8, 8) if k else (16, 8), k).save(path)
    Path(paths[4]).write_text("no image")
    found = list(decode.batches(paths, 8, 1))
    assert [len(batch) for batch in found] == [3, 3, 3, 2]
    assert [path for batch in found for path in batch.paths] == paths[:4] + paths[5:]
    assert [batch.scaled for batch in found] == [1, 0, 0, 0]
    assert [problem for batch in found for problem in batch.problems] == [
        f"{paths[4]}: not an image file"
    ]
    pixels = np.concatenate([batch.pixels for batch in found])
    assert pixels.shape == (10, 8, 8, 1)
    assert pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]


def test_a_row_and_the_cells_of_a_table() -> None:
    p = np.array([[0.25, 0.25, 0.5]])
    logits = [np.array([[1.5]]), np.array([[3.0, 2.0, 9.0]])]
    (answer,) = WORDS.answers(["a\udcff.png"], p, logits)
    row = dict(zip(WORDS.header(), WORDS.row(answer), strict=True))
    assert row == {
        "path": "a\\udcff.png",
        "answer": "cow",
        "probability": "0.500000",
        "best_1": "cow",
        "p_1": "0.500000",
        "best_2": "cat",
        "p_2": "0.250000",
        "best_3": "dog",
        "p_3": "0.250000",
        "group": 1,
        "expert_0": "cat",
        "expert_1": "cow",
    }
    cells = WORDS.cells(answer)
    assert list(cells.values()) == ["a\\udcff.png", "cow", 0.5, "cat (1.50)", "cow (3.00)"]


def test_no_probability_where_there_is_none() -> None:
    words = Words(WORDS.classes, WORDS.groups, WORDS.views, are_probabilities=False)
    (answer,) = words.answers(["a.png"], np.eye(1, 3), [np.ones((1, 1)), np.ones((1, 3))])
    assert words.cells(answer)["p"] is None
    row = dict(zip(words.header(), words.row(answer), strict=True))
    assert {row[name] for name in ("probability", "p_1", "p_2", "p_3")} == {""}


def test_the_example_reads_images_as_we_do(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    spec = importlib.util.spec_from_file_location("serve", ROOT / "examples" / "serve.py")
    assert spec is not None
    assert spec.loader is not None
    serve = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(serve)
    noise = np.random.default_rng(0).integers(0, 256, (20, 31, 4)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise[..., :3]).save(tmp_path / "a.jpg", exif=exif)
    Image.fromarray(noise).save(tmp_path / "b.png")
    Image.fromarray(noise[..., 0].astype(np.uint16) * 257).save(tmp_path / "c.png")
    Image.fromarray(noise[:16, :16, :3]).save(tmp_path / "d.png")
    Image.fromarray(noise[..., :3]).quantize(8).save(tmp_path / "e.gif")
    Image.fromarray(noise[..., :3]).convert("CMYK").save(tmp_path / "f.jpg")
    Image.fromarray(noise[..., :3], "LAB").save(tmp_path / "g.tif")
    deep_png(tmp_path / "h.png", key=(258, 772, 1286))
    for path in sorted(tmp_path.iterdir()):
        for mode in ("L", "RGB"):
            ours = np.asarray(images.square(images.read(path, mode), 16))  # type: ignore[arg-type]
            assert np.array_equal(serve.read(str(path), mode, 16)[0].squeeze(), ours), path


def test_the_example_says_what_is_no_file(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    for path, message in (
        (tmp_path, "expected a file, got a folder"),
        (tmp_path / "none.png", "expected a file, got none"),
    ):
        done = run("python", "examples/serve.py", "README.md", str(path), cwd=ROOT)
        assert (done.returncode, done.stderr) == (1, f"{path}: {message}\n")


def test_equal_answers_come_in_the_order_of_many_classes() -> None:
    names = [f"class {k}" for k in range(100)]
    words = Words(names, [range(100)], [ClassView.all(100)], are_probabilities=True)
    p = (1 + np.arange(100) % 3)[None] / 199
    (answer,) = words.answers(["a.png"], p, [p])
    assert [name for name, _ in answer.best] == names[2:17:3]
