from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import psutil
import pytest

import stages
from lt import process
from tests.conftest import ROOT

HOLD = """
import sys, time
from pathlib import Path
from lt import process
with process.lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def first_line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def end(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


def test_the_second_is_told_who_holds_the_lock_until_that_one_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.1)
    path = tmp_path / "deep" / "lock"
    child = start(HOLD, str(path))
    assert first_line(child) == "held"
    expected = rf"{path} is held by process {child.pid} on .*python.* -c .*, since 20\d\d-"
    with pytest.raises(ValueError, match="(?s)another run is at work here: " + expected):  # noqa: SIM117
        with process.lock(path):
            pytest.fail("two hold it")
    end(child)  # SIGKILL: nobody lets go of it but the system
    with process.lock(path):
        pass


def test_a_holder_that_ends_soon_is_waited_for(tmp_path: Path) -> None:
    child = start(HOLD.replace("sleep(60)", "sleep(0.5)"), str(tmp_path / "lock"))
    assert first_line(child) == "held"
    with process.lock(tmp_path / "lock"):
        assert child.wait(5) == 0
    end(child)


def test_a_patient_one_says_once_that_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.1)
    child = start(HOLD.replace("sleep(60)", "sleep(1)"), str(tmp_path / "lock"))
    assert first_line(child) == "held"
    with process.patient_lock(tmp_path / "lock", "waiting"):
        assert child.wait(5) == 0
    end(child)
    with process.patient_lock(tmp_path / "lock", "waiting"):
        pass
    assert capsys.readouterr().out == "waiting\n"


REMOVES = """
import shutil, sys, time
from pathlib import Path
from lt import process
with process.lock(Path(sys.argv[1]) / ".lock"):
    print("held", flush=True)
    time.sleep(0.7)
    shutil.rmtree(sys.argv[1])
"""


def test_a_lock_that_was_removed_with_its_folder_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waited must hold what the next one finds there."""
    folder = tmp_path / "work"
    child = start(REMOVES, str(folder))
    assert first_line(child) == "held"
    with process.lock(folder / ".lock"):
        assert (folder / ".lock").exists()
        monkeypatch.setattr(process, "PATIENCE_S", 0.0)
        with pytest.raises(ValueError, match="another run"), process.lock(folder / ".lock"):
            pytest.fail("two hold it")
    end(child)


def test_ctrl_c_while_modules_are_imported_prints_nothing(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    quiet = "from lt import process\nprocess.end_quietly_until_main()\n"
    (package / "__init__.py").write_text(quiet)
    (package / "module.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(60)\n")
    started = subprocess.Popen(
        [sys.executable, "-m", "package.module"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout
    assert started.stdout.readline() == "here\n"
    started.send_signal(signal.SIGINT)
    assert started.communicate() == ("", "")
    assert started.returncode == -signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_becomes_one_message(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(number)

    def stage(_arguments: object) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    with pytest.raises(SystemExit) as caught:
        stages.main(stage)
    assert caught.value.code == 128 + number
    assert capsys.readouterr().err.endswith(f": stopped by {signal.Signals(number).name}\n")
    assert signal.getsignal(number) is before


def test_a_process_stops_when_its_parent_is_killed() -> None:
    child = (
        "import os, time; from lt import process; process.stop_with_parent(); "
        "print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = start(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])")
    pid = int(first_line(parent))
    assert process_runs(pid)
    end(parent)
    deadline = time.monotonic() + 10
    while process_runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def process_runs(pid: int) -> bool:
    """A zombie, which nobody has waited for yet, does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class OutOfMemoryError(RuntimeError):
    """As torch's, of a GPU."""


def of_numpy() -> OSError:
    """As of an array that a full disk has cut short, once `files.whole` has named the file."""
    error = OSError("9 requested and 2 written")
    error.filename = "a/b"
    return error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("lr: too large"), "lr: too large"),
        (of_numpy(), "a/b: 9 requested and 2 written; is the disk full?"),
        (OSError(28, "No space left on device", "a/b"), "a/b: No space left on device"),
        (PermissionError(13, "Permission denied", "a/b"), "a/b: Permission denied"),
        (FileNotFoundError(2, "No", "models/a"), "models/a: no such file; run `dvc repro`"),
        (FileNotFoundError(2, "No", "/proc/a"), "/proc/a: no such file"),
        (MemoryError("Unable to allocate 9 GiB"), r"out of memory (Unable to allocate 9 GiB); try"),
        (OutOfMemoryError("CUDA out of memory.\nMore"), "out of memory (CUDA out of memory.); try"),
        (RuntimeError("[enforce fail] can't allocate memory: 9"), "out of memory ([enforce fail]"),
        (
            RuntimeError("pool_cuda does not have a deterministic implementation, but you set"),
            "pool_cuda does not have a deterministic implementation; expected train.deterministic=",
        ),
    ],
)
def test_what_can_be_foreseen_ends_in_one_line(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    error.add_note("it goes on")

    def stage(_arguments: object) -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        stages.main(stage)
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert line.endswith("; it goes on")


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    def stage(_arguments: object) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        stages.main(stage)


def test_a_bar_tells_the_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(process.time, "monotonic", lambda: now[0])
    bar = process.Bar(1000, "decoded", "images")
    for seconds, number in ((1, 100), (4, 100), (6, 300), (10, 500)):
        now[0] = 100.0 + seconds
        bar.advance(number)
    assert capsys.readouterr().out.splitlines() == [
        "decoded 100/1000 images, 100 images/s; 9 s left",
        "decoded 500/1000 images, 83 images/s; 6 s left",
        "decoded 1000/1000 images, 100 images/s; 0 s left",
    ]


@pytest.mark.parametrize("size", [(40, 80), (0, 0), (0, 80)])
def test_a_bar_has_the_loss_in_80_columns_and_lines_stand_in_for_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    row = {"expert": 0, "phase": 1, "epoch": 5, "train_loss": 1.76684, "val_accuracy": 40.083}
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        process.Progress(1, "logit_adjust_posthoc").report({**row, "images_per_s": 1234.5})
        monkeypatch.undo()
    shown, found = "", "loss 1.7668, val 40.08 %"
    with contextlib.suppress(OSError):  # at the end, as the other side is closed
        while text := os.read(ours, 10_000):  # what was written at once may come in parts
            shown += text.decode()
    os.close(ours)
    lines = capsys.readouterr().out
    if size == (40, 80):
        assert found in shown
        assert not lines
    else:
        figures = f"{found}, 1234 images/s, expert 0 phase 1 epoch 5"
        assert lines == f"logit_adjust_posthoc 1/1 {figures}; 0 s left\n"


def test_a_bar_that_goes_on_tells_the_rate_of_its_own_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(process.time, "monotonic", lambda: now[0])
    bar = process.Bar(1000, "decoded", "images", before=500)
    now[0] += 1
    bar.advance(100)
    assert capsys.readouterr().out == "decoded 600/1000 images, 100 images/s; 4 s left\n"


def test_who_holds_the_lock_is_told_where_one_was_killed_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATIENCE_S", 0.0)
    path = tmp_path / "lock"
    path.write_text('{"process": 1}')  # what the killed one has left
    ours = f"is held by process {os.getpid()} on"
    with process.lock(path), pytest.raises(ValueError, match=ours), process.lock(path):
        pytest.fail("two hold it")
