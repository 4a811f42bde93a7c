"""Signals become a flag; a second one leaves."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from ssl_bench.pretrain.signals import StopFlag


@pytest.mark.parametrize("number", StopFlag.SIGNALS)
def test_a_signal_is_noted_and_nothing_else(number: signal.Signals) -> None:
    stop = StopFlag()
    assert stop.caught is None
    with stop.listening():
        os.kill(os.getpid(), number)
        assert stop.caught == number


def test_a_second_signal_leaves() -> None:
    stop = StopFlag()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert stop.caught == signal.SIGTERM


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in StopFlag.SIGNALS]
    with suppress(ValueError), StopFlag().listening():
        assert [signal.getsignal(number) for number in StopFlag.SIGNALS] != before
        raise ValueError
    assert [signal.getsignal(number) for number in StopFlag.SIGNALS] == before
