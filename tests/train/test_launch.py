from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from lt import process
from lt.train import launch


@pytest.fixture(autouse=True)
def undo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the launcher changes of its process."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    monkeypatch.setenv("TORCHELASTIC_SIGNALS_TO_HANDLE", "SIGTERM")
    yield
    logging.disable(logging.NOTSET)


def test_where_all_end_well_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LT_TEST_END", "well")
    launch.start("tests.train.launch_work", 2)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("message", r"^train\.lr: too large$"),
        (
            "status",
            r"^process 1 of 2 \(\d+\) ended with exit status 7, which ended the others; the",
        ),
        ("kill", r"^process 1 of 2 \(\d+\) was killed by SIGKILL, which ended the others; the"),
        ("gone", r"^process 1 of 2 \(\d+\) was killed by SIGKILL, which ended the others; the"),
    ],
)
def test_of_one_that_fails_there_is_one_message(
    end: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LT_TEST_END", end)
    with pytest.raises(process.Failed, match=message):
        launch.start("tests.train.launch_work", 2)
    assert capfd.readouterr() == ("", "")


def test_the_only_process_and_those_of_torchrun_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("WORLD_SIZE", "1")  # as clusters may, for programs of all kinds
    assert [launch.here(1), launch.here(2)] == [True, False]
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert launch.here(2)
