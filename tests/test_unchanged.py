from __future__ import annotations

import os
from pathlib import Path

import pytest

from lt import unchanged


@pytest.mark.parametrize("small", [0, 100])
def test_a_snapshot_tells_what_changed(
    tmp_path: Path, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "SMALL", small)
    for name in ("same", "edited", "gone", "replaced"):
        (tmp_path / name).write_text(name)
    snapshot = unchanged.Snapshot([tmp_path, tmp_path / "none"])
    assert snapshot.changed() == []
    stat = (tmp_path / "edited").stat()
    (tmp_path / "edited").write_text("Edited")
    os.utime(tmp_path / "edited", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as some editors do
    (tmp_path / "gone").unlink()
    (tmp_path / "other").write_text("Replaced")
    os.replace(tmp_path / "other", tmp_path / "replaced")
    (tmp_path / "none").write_text("new")
    names = [path.name for path in snapshot.changed()]
    assert sorted(names) == ["edited", "gone", "none", "replaced"]


def test_a_small_file_may_be_touched(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    snapshot = unchanged.Snapshot([path])
    path.write_text("b")
    path.write_text("a")
    assert snapshot.changed() == []


def test_differences() -> None:
    old = {"train": {"lr": 0.1, "gamma": 1}, "seed": 0}
    assert unchanged.differences(old, old) == []
    new = {"train": {"lr": 0.03, "gamma": 1}, "model": "crt"}
    assert unchanged.differences(old, new) == [
        "train.lr: 0.1, now 0.03",
        "seed: 0, now None",
        "model: None, now crt",
    ]
    assert unchanged.differences(None, old) == ["model: another now"]
