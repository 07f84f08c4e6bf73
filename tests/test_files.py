from __future__ import annotations

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
