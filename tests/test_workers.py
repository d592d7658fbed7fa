"""data.workers: what is asked of all cores comes back in order, and ends soon where it fails."""

import time

import pytest

from data.workers import on_all_cores


def squared(number: int) -> int:
    return number**2


def failing(number: int) -> None:
    if number == 0:
        raise ValueError("the first")
    time.sleep(0.2)


def test_what_is_given_back_is_in_order() -> None:
    assert on_all_cores(squared, range(50), "squaring", 4, workers=2) == [
        number**2 for number in range(50)
    ]


def test_a_failure_stops_what_is_under_way_elsewhere(capfd: pytest.CaptureFixture[str]) -> None:
    start = time.monotonic()
    with pytest.raises(ValueError, match="the first"):
        on_all_cores(failing, range(600), "failing", 300, workers=2)
    assert time.monotonic() - start < 30  # else the other process sleeps for a minute
    assert "Traceback" not in capfd.readouterr().err
