"""Composition: opening bottom-up, closing top-down, failures injected at every layer and state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ferraris.core.errors import LineError, UsageError
from ferraris.core.layer import (
    Closed,
    Deliver,
    Failed,
    Layer,
    LineSettings,
    Notice,
    Opened,
    Progress,
    To,
)
from ferraris.core.stack import Plain, fork, over, then


class Recorder(Plain[bytes, bytes, bytes]):
    """Marks what passes with its letter, writes down what it is told, fails on request."""

    def __init__(self, letter: bytes, log: list[str] | None = None, opens: bool = True) -> None:
        super().__init__()
        self.letter = letter
        self.log = [] if log is None else log
        self.opens = opens
        self.is_open = False

    def _note(self, what: str) -> None:
        self.log.append(f"{self.letter.decode()} {what}")

    def open(self, now: float) -> None:
        self._note("open")
        self.is_open = True
        if self.opens:
            self._up.append(Opened())

    def close(self, now: float) -> None:
        self._note("close")
        if self.is_open:
            self.is_open = False
            self._up.append(Closed())

    def cancel(self, now: float) -> None:
        self._note("cancel")

    def send(self, unit: bytes, now: float) -> None:
        self._down.append(self.letter + unit)

    def receive(self, unit: bytes, now: float) -> None:
        self._up.append(Deliver(unit.removeprefix(self.letter)))

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._note("lower closed")
            if self.is_open:
                self.is_open = False
                self._up.append(what)
            return
        super().notice(what, now)

    def die(self, error: LineError) -> None:
        self.is_open = False
        self._up.append(Closed(error))

    def complain(self, ref: object) -> None:
        self._up.append(Failed(LineError("one exchange"), ref))


def events(layer: Layer[Any, Any, Any]) -> list[Any]:
    found = []
    while (what := layer.event()) is not None:
        found.append(what)
    return found


def kinds(layer: Layer[Any, Any, Any]) -> list[str]:
    return [type(what).__name__ for what in events(layer)]


@pytest.fixture
def three() -> tuple[Any, list[Recorder], list[str]]:
    log: list[str] = []
    layers = [Recorder(letter, log) for letter in (b"a", b"b", b"c")]
    top, middle, bottom = layers
    return over(top, over(middle, bottom)), layers, log


def test_opens_bottom_up_and_closes_top_down(three: Any) -> None:
    stack, _, log = three
    stack.open(0.0)
    assert log == ["c open", "b open", "a open"]
    assert kinds(stack) == ["Opened"]
    log.clear()
    stack.close(1.0)
    closed = events(stack)
    assert log == ["a close", "b close", "c close"]
    assert closed == [Closed()]


def test_units_go_through_every_layer(three: Any) -> None:
    stack, _, _ = three
    stack.open(0.0)
    events(stack)
    stack.send(b"x", 0.0)
    assert stack.transmit(0.0) == b"cbax"
    assert stack.transmit(0.0) is None
    stack.receive(b"cbax", 0.0)
    assert events(stack) == [Deliver(b"x")]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("state", ["opened", "unit queued"])
def test_a_death_at_any_layer_closes_the_others_once(three: Any, place: int, state: str) -> None:
    stack, layers, log = three
    stack.open(0.0)
    events(stack)
    if state == "unit queued":
        stack.send(b"x", 0.0)
    log.clear()
    error = LineError("dead")
    layers[place].die(error)
    stack.wake(1.0)
    assert events(stack) == [Closed(error)]
    assert not any(layer.is_open for layer in layers)
    assert log.count("a lower closed") <= 1
    assert [entry for entry in log if entry.endswith("close")] == [
        f"{layer.letter.decode()} close" for layer in layers[place + 1 :]
    ]


def test_a_death_below_before_it_opened_is_told_once() -> None:
    """The upper was never open and may have nothing to say."""
    bottom, top = Recorder(b"b", opens=False), Recorder(b"a")
    for loud in (False, True):
        stack = over(top, bottom)
        stack.open(0.0)
        assert events(stack) == []
        top.is_open = loud
        error = LineError("no connection")
        bottom.die(error)
        stack.wake(1.0)
        assert events(stack) == [Closed(error)]
        stack.notice(Closed(LineError("and again")), 2.0)
        assert events(stack) == []


def test_a_failure_below_while_closing_is_told(three: Any) -> None:
    stack, layers, _ = three
    stack.open(0.0)
    events(stack)
    layers[2].is_open = False
    stack.close(0.5)
    assert events(stack) == []
    layers[2].die(LineError("late"))
    stack.wake(0.6)
    (closed,) = events(stack)
    assert isinstance(closed, Closed)
    assert str(closed.error) == "late"


def test_a_failed_exchange_cancels_what_is_below(three: Any) -> None:
    stack, layers, log = three
    stack.open(0.0)
    events(stack)
    log.clear()
    layers[0].complain("request")
    assert kinds(stack) == ["Failed"]
    assert log == ["b cancel", "c cancel"]
    log.clear()
    layers[0].complain(None)
    assert kinds(stack) == ["Failed"]
    assert log == []


def test_after_closing_it_opens_again(three: Any) -> None:
    stack, _, log = three
    for _ in range(2):
        log.clear()
        stack.open(0.0)
        assert kinds(stack) == ["Opened"]
        stack.close(1.0)
        assert kinds(stack) == ["Closed"]
        assert log[:3] == ["c open", "b open", "a open"]


def test_progress_and_deadlines_come_up() -> None:
    bottom, top = Recorder(b"b"), Recorder(b"a")
    stack = over(top, bottom)
    stack.open(0.0)
    events(stack)
    bottom._up.append(Progress())
    stack.wake(0.0)
    assert kinds(stack) == ["Progress"]
    assert stack.deadline is None


class Opening(Recorder):
    """A first layer that says hello, changes the line, and ends with what came after."""

    def open(self, now: float) -> None:
        super().open(now)
        self._down.append(b"hello")

    def receive(self, unit: bytes, now: float) -> None:
        head, _, rest = unit.partition(b"!")
        if head == b"no":
            self._up.append(Closed(LineError("refused")))
            return
        if rest:
            self._up.append(Deliver(rest))
        self._up.append(Closed())

    def transmit(self, now: float, expecting: bool = False) -> bytes | LineSettings | None:
        return super().transmit(now, expecting)


def test_then_hands_over_with_the_octets_that_were_left() -> None:
    second = Recorder(b"s")
    stack = then(Opening(b"f", opens=False), second)
    stack.open(0.0)
    assert stack.transmit(0.0) == b"hello"
    with pytest.raises(UsageError):
        stack.send(b"x", 0.0)
    stack.receive(b"ok!srest", 0.1)
    assert events(stack) == [Opened(), Deliver(b"rest")]
    stack.send(b"x", 0.2)
    assert stack.transmit(0.2) == b"sx"


def test_then_ends_when_the_opening_fails() -> None:
    stack = then(Opening(b"f", opens=False), Recorder(b"s"))
    stack.open(0.0)
    stack.receive(b"no!", 0.1)
    (closed,) = events(stack)
    assert str(closed.error) == "refused"


def test_then_starts_from_the_beginning_again() -> None:
    stack = then(Opening(b"f", opens=False), Recorder(b"s"))
    for _ in range(2):
        stack.open(0.0)
        assert stack.transmit(0.0) == b"hello"
        stack.receive(b"ok!", 0.1)
        assert kinds(stack) == ["Opened"]
        stack.close(0.2)
        assert kinds(stack) == ["Closed"]


def test_fork_gives_each_address_its_own_layer() -> None:
    uppers: dict[Any, Layer[Any, Any, Any]] = {1: Recorder(b"1"), 2: Recorder(b"2")}
    forked = fork(uppers)
    forked.open(0.0)
    assert [what.unit for what in events(forked)] == [To(1, Opened()), To(2, Opened())]
    forked.send(To(1, b"x"), 0.0)
    forked.send(To(2, b"y"), 0.0)
    sent = {unit.address: unit.unit for unit in (forked.transmit(0.0), forked.transmit(0.0))}  # type: ignore[union-attr]
    assert sent == {1: b"1x", 2: b"2y"}
    forked.receive(To(2, b"2z"), 0.0)
    assert events(forked) == [Deliver(To(2, b"z"))]


def test_fork_reports_an_address_nobody_has() -> None:
    forked = fork({1: Recorder(b"1")})
    forked.receive(To(9, b"x"), 0.0)
    (failed,) = events(forked)
    assert failed.ref is None
    with pytest.raises(UsageError):
        forked.send(To(9, b"x"), 0.0)


def test_a_plain_layer_is_transparent() -> None:
    plain: Plain[bytes, bytes, bytes] = Plain()
    calls: list[Callable[[], None]] = [
        lambda: plain.send(b"", 0.0),
        lambda: plain.receive(b"", 0.0),
    ]
    for call in calls:
        with pytest.raises(UsageError):
            call()
    assert plain.room
    assert not plain.expects
