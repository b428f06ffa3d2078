"""What one simulated meter remembers; it exists only once something has happened to the meter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ferraris.crypto.curves import PrivateKey
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.forms import KeyPairs
from ferraris.messaging.dlms.security.policy import Policy
from ferraris.meter.freezing import not_kept
from ferraris.meter.patterns import FIRST_DAY
from ferraris.meter.zone import DAY, Zone
from ferraris.server.device import ObjectKey

if TYPE_CHECKING:
    from ferraris.meter.behaviour.push_course import PushCourse

__all__ = [
    "COMMISSIONED",
    "NEVER",
    "RIGHT",
    "UNTOUCHED",
    "Interruption",
    "LogEntry",
    "SecurityState",
    "State",
    "Step",
]

COMMISSIONED = FIRST_DAY * DAY
"""UTC seconds at which every simulated meter starts to count and to record."""

NEVER = 1 << 62
"""UTC seconds of what nobody waits for."""

_MILLION = 1_000_000
_MOST_STEPS = 256
_MOST_ENTRIES = 512


class Step(NamedTuple):
    """How the meter's clock goes from UTC second `start` on.

    It is `offset` seconds ahead of UTC then, and gains `drift` seconds in a million. Its status
    octet shows `status`, daylight saving aside. The first row that a profile captures afterwards
    carries the bits of `mark`. `zone` is what clients made of the template's zone, None before.
    """

    start: int
    offset: int
    drift: int = 0
    status: int = 0
    mark: int = 0
    zone: Zone | None = None

    def local(self, utc: int) -> int:
        """What the clock shows at `utc`, the zone left aside."""
        if not self.drift:
            return utc + self.offset
        return utc + self.offset + max(0, utc - self.start) * self.drift // _MILLION

    def utc(self, local: int) -> int:
        """The first UTC second at which the clock shows `local` or more."""
        if not self.drift:
            return local - self.offset
        ahead = local - self.offset - self.start
        utc = self.start + (ahead if ahead < 0 else ahead * _MILLION // (_MILLION + self.drift))
        while self.local(utc) >= local:
            utc -= 1
        while self.local(utc) < local:
            utc += 1
        return utc


RIGHT = Step(COMMISSIONED, 0)
"""A clock that is right."""


class Interruption(NamedTuple):
    """The supply was off from UTC second `start` until `stop`, None while it still is."""

    start: int
    stop: int | None


class LogEntry(NamedTuple):
    """An entry of an event log.

    It happened at UTC second `at`, when the meter's own clock showed `shown`. Entries that follow
    from the calendar have serial 0, noted ones count from 1 in each log.
    """

    at: int
    serial: int
    log: int
    shown: int
    code: int


@dataclass(slots=True)
class SecurityState:
    """What clients have changed about a meter's protection; None is as it was made.

    `serial` counts the changes. `used_keys` holds fingerprints of encryption keys that were in use:
    none comes back, since its counters began anew. `new_pairs` are key pairs that were generated
    and wait for their certificates, `certificates` those that were imported, by serial and issuer.
    `data_transactions` are the last ones accepted with protected data, by the originator's title.
    """

    serial: int = 0
    drawn: int = 0
    keys: CipherKeys | None = None
    pairs: KeyPairs | None = None
    policy: Policy | None = None
    broadcast_key: bytes | None = field(default=None, repr=False)
    transaction_offset: int = 0
    transactions: dict[int, int] = field(default_factory=dict)
    data_transactions: dict[bytes, int] = field(default_factory=dict)
    used_keys: set[bytes] = field(default_factory=set)
    new_pairs: dict[int, PrivateKey] = field(default_factory=dict, repr=False)
    certificates: dict[tuple[bytes, bytes], bytes] = field(default_factory=dict)


P = TypeVar("P")


@dataclass(slots=True)
class State:
    """Everything about one meter that does not follow from its seed and the time.

    `lived` is the UTC second until which everything due has happened, `due` the next one at which
    something may; `off_since` is when the power went, None while it is on. What one kind of
    behaviour remembers is a dataclass of its own among the `parts`.
    """

    lived: int | None = None
    due: int = field(default=0, metadata=not_kept)
    off_since: int | None = None
    silence: tuple[int, int] | None = None
    restarts: int = 0
    is_living: bool = field(default=False, metadata=not_kept)
    parts: dict[tuple[type, ObjectKey | None], object] | None = field(
        default=None,
        metadata=not_kept,  # kept kind by kind
    )

    steps: tuple[Step, ...] = ()
    interruptions: tuple[Interruption, ...] = ()
    logs: dict[int, tuple[LogEntry, ...]] | None = None
    connection: int | None = None
    next_counter: int = 0
    floors: dict[int, int] | None = None
    written: dict[tuple[ObjectKey, int], bytes] | None = None
    since: dict[ObjectKey, int] | None = None
    security: SecurityState | None = None
    courses: dict[ObjectKey, PushCourse] | None = field(default=None, metadata=not_kept)
    secrets: dict[int, bytes] | None = None

    def found(self, kind: type[P], key: ObjectKey | None = None) -> P | None:
        """What a kind of behaviour, or the object `key` alone, remembers; None before anything."""
        part = None if self.parts is None else self.parts.get((kind, key))
        assert part is None or isinstance(part, kind)
        return part

    def part(self, kind: type[P], key: ObjectKey | None = None) -> P:
        """The same to write to, made of defaults at the first change."""
        if self.parts is None:
            self.parts = {}
        part = self.parts.setdefault((kind, key), kind())
        assert isinstance(part, kind)
        return part

    def secure(self) -> SecurityState:
        """What was changed about the protection; made at the first change."""
        if self.security is None:
            self.security = SecurityState()
        return self.security

    def step_clock(self, step: Step) -> None:
        """Let the clock go otherwise; the oldest of more than 256 settings is forgotten."""
        self.steps = (*self.steps, step)[-_MOST_STEPS:]

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        """The noted events of all logs, in the order they happened."""
        return tuple(sorted(each for noted in (self.logs or {}).values() for each in noted))

    def noted(self, log: int) -> tuple[LogEntry, ...]:
        """The noted events of one log, in the order they were written."""
        return () if self.logs is None else self.logs.get(log, ())

    def record(self, log: int, code: int, at: int, shown: int) -> int:
        """Write an event and return its serial; a log forgets the oldest of more than 512."""
        if self.logs is None:
            self.logs = {}
        before = self.logs.get(log, ())
        serial = before[-1].serial + 1 if before else 1
        entry = LogEntry(at, serial, log, shown, code)
        self.logs[log] = (*before, entry)[-_MOST_ENTRIES:]
        return serial

    def open_supply(self, now: int) -> None:
        """Nothing flows from `now` on."""
        self.interruptions = (*self.interruptions, Interruption(now, None))

    def close_supply(self, now: int) -> None:
        """Energy flows again from `now` on."""
        last = self.interruptions[-1]
        self.interruptions = (*self.interruptions[:-1], last._replace(stop=now))

    def write(self, key: ObjectKey, attribute: int, data: bytes) -> None:
        """Keep an attribute that a client has written."""
        if self.written is None:
            self.written = {}
        self.written[key, attribute] = data

    def restart(self, key: ObjectKey, since: int) -> None:
        """Forget what the object collected before a second, or an event log before a serial."""
        if self.since is None:
            self.since = {}
        self.since[key] = since


UNTOUCHED = State()
"""The state of every meter to which nothing has happened; never written to."""
