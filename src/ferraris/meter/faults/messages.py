"""Between the server and its transport: requests and answers that are lost, late, twice or wrong.

The seam carries APDUs with their addresses, so that every meter of a line has faults of its own.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush

from ferraris.core.layer import Closed, Deliver, Notice, To
from ferraris.core.stack import Plain
from ferraris.messaging.dlms.enumerations import ExceptionServiceError, StateError
from ferraris.messaging.dlms.errors import ExceptionResponse
from ferraris.meter.faults import lots
from ferraris.meter.faults.lots import Fault
from ferraris.meter.faults.octets import FaultyOctets
from ferraris.meter.faults.struck import Struck
from ferraris.meter.faults.table import FAULTS, Place
from ferraris.meter.simulated import SimulatedMeter
from ferraris.transport.addresses import Addresses

__all__ = ["FaultyMessages"]

_AHEAD = 8  # answers held for the transport
_MOST_REMEMBERED = 64
_CIPHERED = frozenset(range(0xC8, 0xD8)) | frozenset((0x28, 0x21, 0xDB, 0xDC, 0xDD))
_BUSY = ExceptionResponse(
    StateError.SERVICE_NOT_ALLOWED, ExceptionServiceError.OPERATION_NOT_POSSIBLE
).to_octets()

Unit = To[Addresses, bytes]


class FaultyMessages(Plain[Unit, Unit, Unit]):
    """Lets the faults of the meter that `directory` finds befall its requests and answers.

    `utc` is asked at every request: a scenario lets its time pass by that. `struck` is shared with
    the associations above, `octets` lies below the transport. Pushes are struck by a dead meter
    alone.
    """

    def __init__(
        self,
        directory: Callable[[int], SimulatedMeter | None],
        utc: Callable[[], float],
        struck: Struck,
        octets: FaultyOctets,
    ) -> None:
        super().__init__()
        self._directory = directory
        self._utc = utc
        self._struck = struck
        self._octets = octets
        self._leaving: deque[tuple[Unit, tuple[str, ...]]] = deque()
        self._late: list[tuple[float, int, Unit, tuple[str, ...], bool]] = []
        self._order = 0
        self._before: OrderedDict[Addresses, bytes] = OrderedDict()

    @property
    def room(self) -> bool:
        return len(self._leaving) < _AHEAD

    @property
    def deadline(self) -> float | None:
        return self._late[0][0] if self._late else None

    def receive(self, unit: Unit, now: float) -> None:
        self._utc()
        meter = self._directory(unit.address.server_sap)
        faults: Mapping[str, Fault] = {} if meter is None else lots.struck(meter)
        self._struck.put(unit.address, faults)
        if "dead meter" in faults or "lose requests" in faults:
            return
        if "busy" in faults:
            if unit.confirmed:
                self.send(To(unit.address, _BUSY), now)
            return
        self._up.append(Deliver(unit))

    def send(self, unit: Unit, now: float) -> None:
        address = unit.address
        if not unit.confirmed:  # a push
            meter = self._directory(address.server_sap)
            if meter is None or not lots.is_dead(meter):
                self._leaving.append((unit, ()))
            return
        faults = self._struck.take(address)
        before = self._remembered(address, unit.unit)
        if "dead meter" in faults or "lose answers" in faults:
            return
        if "cut before answer" in faults:
            self._octets.cut()
            return
        if faults:
            unit = To(address, _changed(unit.unit, before, faults))
        self._dispatch(unit, faults, now)

    def wake(self, now: float) -> None:
        while self._late and self._late[0][0] <= now:
            _, _, unit, marks, _ = heappop(self._late)
            self._leaving.append((unit, marks))

    def notice(self, what: Notice, now: float) -> None:
        if type(what) is Closed:
            self._forget()
        super().notice(what, now)

    def close(self, now: float) -> None:
        self._forget()
        super().close(now)

    def cancel(self, now: float) -> None:
        self._forget()

    def transmit(self, now: float, expecting: bool = False) -> Unit | None:
        if not self._leaving:
            return None
        unit, marks = self._leaving.popleft()
        for name in marks:
            if name == "cut after answer":
                self._octets.cut_after()
            else:
                self._octets.strike(name)
        return unit

    def _dispatch(self, unit: Unit, faults: Mapping[str, Fault], now: float) -> None:
        """Let an answer leave: now or later, once or twice, marked for what happens below."""
        marks = tuple(
            name
            for name in faults
            if FAULTS[name].place is Place.LINE or name == "cut after answer"
        )
        delay_s = 0.0
        if "delay answers" in faults:
            delay_s += faults["delay answers"].delay_s
        if "slow link" in faults:
            delay_s += len(unit.unit) / faults["slow link"].rate
        copies = 2 if "duplicate answers" in faults else 1
        yields = "reorder answers" in faults
        if yields:
            delay_s += faults["reorder answers"].delay_s
        for _ in range(copies):
            if delay_s:
                self._order += 1
                heappush(self._late, (now + delay_s, self._order, unit, marks, yields))
            else:
                self._leaving.append((unit, marks))
        if not delay_s:
            self._let_follow()

    def _let_follow(self) -> None:
        """An answer has gone first: those that were to come after it are no longer held."""
        following = [late for late in self._late if late[4]]
        if following:
            self._late = [late for late in self._late if not late[4]]
            heapify(self._late)
            self._leaving += [(unit, marks) for _, _, unit, marks, _ in sorted(following)]

    def _remembered(self, address: Addresses, octets: bytes) -> bytes | None:
        """The answer before this one, which takes its place."""
        before = self._before.pop(address, None)
        self._before[address] = octets
        if len(self._before) > _MOST_REMEMBERED:
            self._before.popitem(last=False)
        return before

    def _forget(self) -> None:
        self._leaving.clear()
        self._late.clear()
        self._before.clear()
        self._struck.clear()


def _changed(octets: bytes, before: bytes | None, faults: Mapping[str, Fault]) -> bytes:
    """What is left of an answer whose octets are struck."""
    if "replay answers" in faults and before is not None:
        octets = before
    if "wrong tag" in faults and octets[0] in _CIPHERED:
        octets = octets[:-1] + bytes((octets[-1] ^ 1,))
    if "truncate answers" in faults:
        octets = octets[: max(1, len(octets) // 2)]
    return octets
