from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lt import files


@pytest.mark.parametrize("old", [None, "file", "folder"])
def test_a_folder_appears_whole(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "deep" / "out"
    path.parent.mkdir()
    if old == "file":
        path.write_text("old")
    elif old == "folder":
        path.mkdir()
        (path / "old").write_text("old")
    with files.whole(path) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
        assert not (path / "new").exists()
    assert [p.name for p in path.iterdir()] == ["new"]
    assert [p.name for p in path.parent.iterdir()] == ["out"]


def test_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    files.write_json(path, {"a": 1})

    def fail_half_way() -> None:
        with files.whole(path) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert files.read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]
    with pytest.raises(TypeError):
        files.write_json(path, {"a": object()})
    assert files.read_json(path) == {"a": 1}
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter1.txt").write_text("years of work")
    with pytest.raises(IsADirectoryError):
        files.write_json(tmp_path / "thesis", {"a": 1})
    assert (tmp_path / "thesis/chapter1.txt").read_text() == "years of work"


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("a.json", b'{"a": 1', files.read_json),
        ("a.json", b"", files.read_json),
        ("a.json", b"\xff\xfe\x00", files.read_json),
        ("a.json", b"[" * 100_000, files.read_json),
        ("a.json", b"[1]", lambda path: files.read_json(path, "a")),
        ("a.json", b"{}", lambda path: files.read_json(path, "a")),
        ("a.npz", b"", files.read_npz),
        ("a.npz", b"PK\x03\x04 and no more", files.read_npz),
        ("a.npz", b"garbage", files.read_npz),
        ("a.npy", b"", files.read_npy),
        ("a.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<i8',", files.read_npy),
        ("a.npy", b"\x93NUMPY\x01\x00\x04\x00(((\n", files.read_npy),
        ("a.csv", b"a,b\n1,2\n3", lambda path: files.read_csv(path, ["a", "b"])),
        ("a.csv", b"a\n", lambda path: files.read_csv(path, ["a", "b"])),
        ("a.csv", b"", lambda path: files.read_csv(path, ["a", "b"])),
        ("a.csv", b"a,b\n\xff,2\n", lambda path: files.read_csv(path, ["a", "b"])),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, name: str, content: bytes, read: Callable[[Path], object]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: .*dvc repro"):
        read(path)


def test_a_manifest_tells_what_is_missing_and_what_is_another(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    known = files.manifest(tmp_path)
    assert list(known) == ["a", "b"]
    files.check_manifest(tmp_path, known, "of.json")
    (tmp_path / "a").write_text("x")
    with pytest.raises(ValueError, match=r"a: is not the file that belongs to .*of\.json"):
        files.check_manifest(tmp_path, known, "of.json")
    (tmp_path / "a").unlink()
    with pytest.raises(ValueError, match=r"a: is missing beside .*of\.json"):
        files.check_manifest(tmp_path, known, "of.json")


def test_what_git_ignores_is_there_for_a_queued_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / ".dvc/tmp/exps/tmpabc"
    for folder in (tmp_path / "photos", copy):
        folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert files.given("photos") == Path("photos")
    monkeypatch.chdir(copy)
    assert files.given("photos") == tmp_path / "photos"
    assert files.given("/nowhere") == Path("/nowhere")
    with pytest.raises(
        ValueError, match=r"^~nobody_here/x: expected a path; ~nobody_here has no h"
    ):
        files.given("~nobody_here/x")
    (copy / "photos").mkdir()
    assert files.given("photos") == tmp_path / "photos", "git may track a part of them"
    (copy / "list.csv").touch()
    assert files.given("list.csv") == Path("list.csv"), "no longer in the project"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.given("~/photos") == tmp_path / "photos"


def test_what_a_kill_left_aside_comes_back(tmp_path: Path) -> None:
    """Between its two renames, a folder is not in its place."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    aside = tmp_path / f".out.{gone.pid}.old"
    aside.mkdir()
    (aside / "kept").touch()

    def fail() -> None:
        with files.whole(tmp_path / "out"):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "kept"]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / f".out.json.{gone.pid}.tmp").write_text("half")
    at_work = tmp_path / f".out.json.{os.getppid()}.tmp"
    at_work.write_text("of a process that runs")
    files.write_json(tmp_path / "out.json", {"a": 1})
    assert {path.name for path in tmp_path.iterdir()} == {"out.json", at_work.name}


def test_what_a_killed_process_of_the_same_number_left_aside_comes_back(tmp_path: Path) -> None:
    """As in a container, where the same numbers come again."""
    aside = tmp_path / f".out.{os.getpid()}.old"
    aside.mkdir()
    with pytest.raises(KeyError), files.whole(tmp_path / "out"):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_every_file_of_a_folder_is_brought_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        "os.fsync", lambda number: synced.append(Path(os.readlink(f"/proc/self/fd/{number}")).name)
    )
    with files.whole(tmp_path / "out") as folder:
        (folder / "deep").mkdir(parents=True)
        for name in ("a", "deep/b"):
            (folder / name).touch()
    assert sorted(synced) == ["a", "b"]
