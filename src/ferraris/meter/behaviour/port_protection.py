"""Communication port protection: too many failed attempts lock the port, each time for longer.

After the allowed ones every failed attempt locks the port for the initial time, and then for that
many times as long as the steepness factor says, up to the longest. Somebody who proves who he is
ends the count. The growth rests on [memory].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ferraris.data.kinds import (
    Tag,
    double_long_unsigned,
    enum,
    long_unsigned,
    octet_string,
    unsigned,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter.behaviour.behaviour import Living, encoded
from ferraris.meter.behaviour.configured import Configured
from ferraris.meter.happenings import Happening
from ferraris.model.management import (
    CommunicationPortProtection,
    PortProtectionMode,
    PortProtectionStatus,
)
from ferraris.server.device import AccessRefused, ActionRefused

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["PORT_PROTECTION", "PortProtection", "admitted", "attempt_failed", "refuses"]

PORT_PROTECTION = (CommunicationPortProtection.class_id, bytes(Obis.of(0, 0, 44, 2, 0)))
"""The protection of the port over which a simulated meter is reached, whatever port that is."""

_MODES = frozenset(PortProtectionMode)


@dataclass(slots=True)
class Attempts:
    """Failed attempts since somebody got in, and in all; UTC second until which that locks."""

    failed: int = 0
    in_all: int = 0
    locked_until: int = 0


_NONE = Attempts()


class PortProtection(Configured, Living):
    """Communication port protection; times are in seconds."""

    declares = CommunicationPortProtection

    def __init__(
        self,
        name: str,
        port: str,
        *,
        mode: PortProtectionMode = PortProtectionMode.LOCKED_ON_FAILED_ATTEMPTS,
        allowed: int = 10,
        initial_s: int = 60,
        steepness: int = 2,
        longest_s: int = 3600,
    ) -> None:
        fixed = {
            2: enum(mode),
            3: long_unsigned(allowed),
            4: double_long_unsigned(initial_s),
            5: unsigned(steepness),
            6: double_long_unsigned(longest_s),
            7: octet_string(Obis.parse(port)),
        }
        super().__init__(name, fixed)

    def value(self, meter: SimulatedMeter, attribute: int, now: int) -> bytes:
        """Attributes 8 to 10."""
        if attribute == 8:
            return encoded(Tag.ENUM, self.status(meter, now))
        attempts = self._attempts(meter)
        count = attempts.failed if attribute == 9 else attempts.in_all
        return encoded(Tag.DOUBLE_LONG_UNSIGNED, count)

    def check(self, meter: SimulatedMeter, attribute: int, value: Any, now: int) -> None:
        """A mode that the standard knows, and a factor that does not let times shrink."""
        if (attribute == 2 and value not in _MODES) or (attribute == 5 and value < 1):
            raise AccessRefused(DataAccessResult.OTHER_REASON)

    def set(self, meter: SimulatedMeter, attribute: int, data: bytes, now: int) -> None:
        """Write a setting; a mode that locks or unlocks is an event."""
        before = self.status(meter, now)
        super().set(meter, attribute, data, now)
        self._tell(meter, before, now)

    def act(self, meter: SimulatedMeter, method: int, data: bytes | None, now: int) -> bytes | None:
        """Method 1: the failed attempts since somebody got in are forgotten."""
        if method != 1:
            raise ActionRefused(ActionResult.READ_WRITE_DENIED)
        self.forget(meter, now)
        return None

    def status(self, meter: SimulatedMeter, now: int) -> PortProtectionStatus:
        """Whether the port is locked at UTC second `now`."""
        mode = self.setting(meter, self.declares.protection_mode, now)
        if mode == PortProtectionMode.LOCKED:
            return PortProtectionStatus.LOCKED
        is_locked = now < self._attempts(meter).locked_until
        if is_locked and mode == PortProtectionMode.LOCKED_ON_FAILED_ATTEMPTS:
            return PortProtectionStatus.TEMPORARILY_LOCKED
        return PortProtectionStatus.UNLOCKED

    def failed(self, meter: SimulatedMeter, now: int) -> None:
        """One more attempt failed at UTC second `now`."""
        before = self.status(meter, now)
        attempts = meter.change().part(Attempts, self.key)
        attempts.failed += 1
        attempts.in_all += 1
        beyond = attempts.failed - self.setting(meter, self.declares.allowed_failed_attempts, now)
        if beyond > 0:
            attempts.locked_until = max(
                attempts.locked_until, now + self._pause_s(meter, beyond, now)
            )
        self._tell(meter, before, now)

    def forget(self, meter: SimulatedMeter, now: int) -> None:
        """Count from zero again, and unlock."""
        attempts = self._attempts(meter)
        if not attempts.failed:
            return
        before = self.status(meter, now)
        attempts = meter.change().part(Attempts, self.key)
        attempts.failed = attempts.locked_until = 0
        self._tell(meter, before, now)

    def due(self, meter: SimulatedMeter, after: int) -> int | None:
        """When the port is unlocked by itself."""
        until = self._attempts(meter).locked_until
        return until if until > after else None

    def happen(self, meter: SimulatedMeter, at: int) -> None:
        """The port is open again."""
        self._tell(meter, self.status(meter, at - 1), at)

    def power_up(self, meter: SimulatedMeter, since: int, at: int) -> None:
        """Time has gone on without power."""
        self._tell(meter, self.status(meter, since), at)

    def _pause_s(self, meter: SimulatedMeter, beyond: int, now: int) -> int:
        initial_s, factor, longest_s = (
            self.setting(meter, attribute, now)
            for attribute in (
                self.declares.initial_lockout_time,
                self.declares.steepness_factor,
                self.declares.max_lockout_time,
            )
        )
        pause_s = initial_s
        for _ in range(beyond - 1):
            if pause_s >= longest_s or factor == 1:
                break
            pause_s *= factor
        return int(min(pause_s, longest_s))

    def _tell(self, meter: SimulatedMeter, before: PortProtectionStatus, now: int) -> None:
        unlocked = PortProtectionStatus.UNLOCKED
        is_open = self.status(meter, now) is unlocked
        if is_open != (before is unlocked):
            meter.note(Happening.PORT_UNLOCKED if is_open else Happening.PORT_LOCKED, now)

    def _attempts(self, meter: SimulatedMeter) -> Attempts:
        return meter.state.found(Attempts, self.key) or _NONE


def refuses(meter: SimulatedMeter, now: int) -> bool:
    """Whether nobody may associate with the meter at UTC second `now`."""
    protection = _of(meter)
    return protection is not None and bool(protection.status(meter, now))


def attempt_failed(meter: SimulatedMeter, now: int) -> None:
    """Somebody could not prove who he is."""
    protection = _of(meter)
    if protection is not None:
        protection.failed(meter, now)


def admitted(meter: SimulatedMeter, now: int) -> None:
    """Somebody proved who he is."""
    protection = _of(meter)
    if protection is not None:
        protection.forget(meter, now)


def _of(meter: SimulatedMeter) -> PortProtection | None:
    behaviour = meter.fleet.template.behaviours.get(PORT_PROTECTION)
    return behaviour if isinstance(behaviour, PortProtection) else None
