"""Images of one's own through the whole pipeline, as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench import kills
from tests.conftest import call, run
from tests.data import own
from tests.test_pipeline import dvc, ran, stage

DECODED = ["data/dvc.yaml:listing", "data/dvc.yaml:images"]
SMALL = ["-S", "images.size=8", "-S", "train.batch_size=8"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("with a space") / "photos"
    for part, number in (("train", 4), ("valid", 2), ("test", 2)):
        own.classes(folder / part, {"cat": 2 * number, "dog": number, "fish": 1})
    shutil.rmtree(folder / "test" / "fish")
    return folder


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    repo = kills.clone(tmp_path_factory.mktemp("clone"), 1, "resnet20")
    given = f"images.train='{photos}'"
    text = dvc(repo, "exp", "run", "-S", "data.name=images", "-S", given, *SMALL)
    warned = [line for line in text.splitlines() if "WARNING" in line]  # there is no dvc.lock
    assert not [line for line in warned if "data/raw" in line or "listing" in line]
    assert ran(text)[:4] == ["resolve", *DECODED, "prepare"]
    assert "warning: no test image of 1 of 3 classes: fish; their figures are null" in text
    assert "decoded 26/26 images" in text
    return repo


def test_what_the_run_knows_of_its_images(repo: Path) -> None:
    about = json.loads((repo / "models/final/run.json").read_text())["data"]
    assert (about["name"], about["imb_type"]) == ("images", "none")
    assert about["classes"] == ["cat", "dog", "fish"]
    assert (about["counts"], about["val_counts"]) == ([8, 4, 1], [4, 2, 1])
    assert about["raw"]["given"] == "class folders in test, train, valid"
    assert about["raw"]["images"] == {"train": 13, "val": 7, "test": 6}
    assert about["raw"]["val"] == "given"
    assert about["recipe"]["pad"] == 1


def test_the_run_is_among_the_experiments(repo: Path) -> None:
    """Although a stage, listing, runs every time."""
    said = call(repo, "stages.table", "--experiments").stdout
    assert "data images" in said
    assert "Not shown: params.yaml" not in said


def test_an_answer_needs_no_data(repo: Path, photos: Path) -> None:
    (repo / "data/raw").rename(repo / "data/away")
    try:
        path = str(photos / "test/cat/0.png")
        done = run("python", "-m", "stages.predict", path, cwd=repo)
        assert done.returncode == 0, done.stderr
        assert path in done.stdout
    finally:
        (repo / "data/away").rename(repo / "data/raw")


def test_images_stored_anew_are_no_longer_those_of_the_subset(repo: Path) -> None:
    """In another size, say, of which the labels know nothing."""
    about = repo / "data/raw/images/about.json"
    kept = about.read_text()
    about.write_text(kept.replace('"train": "', '"train": "another '))
    try:
        message = stage(repo, "stages.train")
        assert "data/raw/images is not the dataset that data/longtail was made of" in message
        assert "run `dvc repro`, which trains on what is there now" in message
        done = call(repo, "stages.export", "model.pt2")
        assert done.returncode == 0, "the model of before is still one"
        assert "models/final knows: compared on noise" in done.stdout
        assert json.loads((repo / "model.pt2.json").read_text())["compared"].keys() == {"noise"}
        done = call(repo, "stages.report")
        assert done.returncode == 0
        assert "models/final knows: the page shows none" in done.stdout
        assert "no longer those that are stored" in (repo / "report.html").read_text()
    finally:
        about.write_text(kept)


def test_a_longer_tail_says_what_it_leaves_out(repo: Path) -> None:
    kept = (repo / "resolved/data.json").read_text()
    assert call(repo, "stages.resolve", "data.imb_type=step", "data.imb_factor=1").returncode == 0
    done = call(repo, "stages.prepare")
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == (
        "prepare: warning: data.imb_type=step cuts each class to the size of the smallest first, "
        "and cat becomes the largest: 10 of 20 images are left out"
    )
    assert call(repo, "stages.resolve").returncode == 0
    assert (repo / "resolved/data.json").read_text() == kept
    done = call(repo, "stages.prepare")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_test_set_that_stays(repo: Path, photos: Path) -> None:
    done = call(repo, "stages.keep_test", str(photos / "kept.csv"))
    assert done.returncode == 0, done.stderr
    assert "kept.csv: 6 images; they stay without this file, since they are given" in done.stdout
    header, first, *_ = (photos / "kept.csv").read_text().splitlines()
    assert (header, first) == ("path,label", "test/cat/0.png,cat")
    (photos / "kept.csv").write_text("path,label\nmine.png,cat\n")
    done = call(repo, "stages.keep_test", str(photos / "kept.csv"))
    assert f"expected a new file, got {photos}/kept.csv, which exists" in done.stderr
    assert "mine.png" in (photos / "kept.csv").read_text()
    (photos / "kept.csv").unlink()
    listing = repo / "data/listing.json"
    given = listing.read_text()
    listing.write_text(json.dumps(json.loads(given) | {"test": "drawn, 0.2 of each class"}))
    done = call(repo, "stages.keep_test", str(photos / "kept.csv"))
    assert f"kept.csv: 6 images; dvc exp run -S images.test={photos}/kept.csv keeps" in done.stdout
    odd = json.loads(given)
    odd["files"]["test"][0][0] = f"{photos}/\udcff.png"
    (photos / "kept.csv").unlink()
    listing.write_text(json.dumps(odd))
    done = call(repo, "stages.keep_test", str(photos / "kept.csv"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "expected files named in UTF-8 for a .csv, got '\\udcff.png'" in done.stderr
    assert not (photos / "kept.csv").exists()
    listing.write_text(given)
    asked = repo / "resolved/listing.json"
    kept = asked.read_text()
    asked.write_text(kept.replace('"root": null', f'"root": "{photos / "test"}"'))
    assert call(repo, "stages.keep_test", "kept.csv").returncode == 0
    assert (repo / "kept.csv").read_text().splitlines()[1] == "cat/0.png,cat", "from images.root"
    asked.write_text(kept)
    (repo / "kept.csv").unlink()
    done = call(repo, "stages.keep_test", "kept.txt")
    assert (done.returncode, done.stdout) == (1, "")
    assert "expected the name of a .csv, got kept.txt" in done.stderr


def test_answers_for_class_folders_say_how_many_are_right(repo: Path, photos: Path) -> None:
    done = call(repo, "stages.predict", str(photos / "test"), "--csv", "answers.csv")
    assert done.returncode == 0, done.stderr
    score = json.loads((repo / "metrics/eval.json").read_text())
    told = f"{score['accuracy']:.2f} %; the mean over 2 classes is {score['balanced_accuracy']:.2f}"
    assert "predict: 6 images lie in folders named after classes: " in done.stderr
    assert told in done.stderr


def test_only_a_change_is_decoded(repo: Path, photos: Path) -> None:
    assert ran(dvc(repo, "repro")) == DECODED[:1]
    (photos / "train/cat/notes.txt").touch()
    text = dvc(repo, "repro")
    assert "files skipped: .txt 1" in text
    assert ran(text) == DECODED[:1]
    (photos / "train/cat/0.png").touch()
    assert ran(dvc(repo, "repro")) == DECODED, "the same pixels: what follows is up to date"
    path = own.draw(photos / "train/dog/9.png", 1)
    assert ran(dvc(repo, "repro", "prepare")) == [*DECODED, "prepare"]
    path.unlink()


def test_bad_images_leave_what_was_there(repo: Path, photos: Path) -> None:
    path = photos / "train/dog/bad.jpg"
    path.write_text("not an image")
    try:
        assert run("python", "-m", "stages.listing", cwd=repo).returncode == 0
        message = stage(repo, "stages.images")
        assert "images: 1 of 27 images cannot be read; images.skip_corrupt=true goes" in message
        assert f"{path}: not an image file" in message
        assert (repo / "data/raw/images/about.json").exists()
        assert len(list((repo / "data/raw").iterdir())) == 1
    finally:
        path.unlink()


def test_without_these_images_nobody_looks_at_them(repo: Path) -> None:
    params = "-S", "data.name=digits", "-S", "images.train=/nowhere"
    text = dvc(repo, "exp", "run", *params, "prepare")
    assert set(ran(text)) == {"resolve", "data/dvc.yaml:download@digits", "prepare"}
    assert not set(DECODED) & set(ran(dvc(repo, "repro", "--dry")))
    assert "WARNING" not in text
    text = dvc(repo, "exp", "run", "-S", "data.name=images", code=255)
    assert "listing: images.train: expected a folder of class folders, a .csv or a list" in text
    assert "got '/nowhere'; /nowhere does not exist" in text
