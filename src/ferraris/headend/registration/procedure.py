"""The way of one meter to being active, in one open association, from wherever it stopped.

Each step is done at the meter first and written down afterwards, in one transaction with what it
tells about the meter, its line in the audit log and the change that watchers see. All steps may be
done twice. Keys are the dear ones: `keys.renewal` keeps what is on its way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Unpack

from sqlalchemy import Connection, select, update

from ferraris.client import Meter
from ferraris.core.errors import RefusedError
from ferraris.data.obis import Obis
from ferraris.headend.audit import Audit, Told
from ferraris.headend.inventory import State
from ferraris.headend.inventory import move as move_life
from ferraris.headend.registration import checking, clock, identity
from ferraris.headend.registration.identity import IdentityError, Proof
from ferraris.headend.registration.meter_keys import MeterKeys
from ferraris.headend.registration.progress import Progress, move, progress_of
from ferraris.headend.registration.push_learning import PushLearning
from ferraris.headend.registration.recognition import Known
from ferraris.headend.registration.renewing import Offload, UnfitError, renew_keys
from ferraris.headend.registration.states import ENDS, ORDER, Happening, Step
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.inventory import METER, REGISTRATION
from ferraris.messaging.dlms.names import AttributeDescriptor

__all__ = ["Procedure", "RegistrationPolicy", "no_journal"]

_FIRMWARE = "1-0:0.2.0*255"
_OBJECT_LIST = AttributeDescriptor(15, Obis.of(0, 0, 40, 0, 0, 255), 2)
_BY = "registration"
_LIFE = {
    Happening.PROVE: (State.KNOWN, State.INSTALLED),
    Happening.ACTIVATE: (State.INSTALLED, State.ACTIVE),
}


def no_journal(connection: Connection, **told: Unpack[Told]) -> None:
    """Where nobody keeps an audit log."""


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    """What a meter must fulfil to become active, and how patiently it is asked."""

    tolerance: checking.Tolerance = field(default_factory=checking.Tolerance)
    clock_limit_s: float = 10.0
    """A clock that is off by more is set."""
    renew_keys: bool = True
    """The keys of the shipment are replaced."""
    agree_keys: bool = True
    """Where a meter of suite 1 or 2 offers it, its keys travel under a master key agreed on."""
    trust_passwords: bool = False
    """Meters that prove nothing (password or no security) may become active."""
    trust_weak: bool = False
    """Meters that prove a secret by MD5 or SHA-1 may become active."""
    timeout_s: float = 10.0
    lease_s: float = 120.0
    """A killed process's claims return after so long; a step takes less."""
    first_pause_s: float = 15.0
    longest_pause_s: float = 6 * 3600.0
    at_once: int = 64
    look_again_s: float = 2.0


class Procedure:
    """Takes a meter along, step by step; one object serves all meters of a worker."""

    def __init__(
        self,
        engine: Engine,
        worker: str,
        *,
        policy: RegistrationPolicy,
        clock: Callable[[], float],
        offload: Offload,
        journal: Audit = no_journal,
    ) -> None:
        self._engine = engine
        self._worker = worker
        self._policy = policy
        self._clock = clock
        self._offload = offload
        self._journal = journal
        self._pushes = PushLearning(engine, clock=clock, offload=offload)
        self._steps: Mapping[Happening, Callable[[_Case], Awaitable[Step]]] = {
            Happening.PROVE: self._prove,
            Happening.CHECK: self._check,
            Happening.TIME: self._time,
            Happening.KEY: self._key,
            Happening.RECORD: self._record,
            Happening.ACTIVATE: self._activate,
        }

    def accepts(self, known: Known) -> bool:
        """Whether a meter proves enough by its way."""
        try:
            self._demand_proof(known)
        except UnfitError:
            return False
        return True

    async def go_on(self, known: Known, meter: Meter, keys: MeterKeys | None) -> Step:
        """Go on to the end, or to an error; the registration is claimed by this worker.

        In every association the meter proves first who it is, and then under which keys.
        """
        self._demand_proof(known)
        proof = await identity.prove(meter, known)
        if keys is not None:
            await self._offload(keys.settle)
        case = _Case(known, meter, keys, proof)
        progress = await self._offload(self._load, known)
        here = Step.HELD if progress is None else progress.step
        while here not in ENDS:
            here = await self._steps[ORDER[here]](case)
        return here

    def _demand_proof(self, known: Known) -> None:
        way, policy = known.authentication, self._policy
        if way in ("none", "password") and not policy.trust_passwords:
            text = f"a meter with authentication {way!r} proves nothing"
            raise UnfitError(f"{text}: give it keys, or trust passwords", where="registration")
        if way in ("md5", "sha1") and not policy.trust_weak:
            text = f"{way} proves little, as it can be forged: trust weak ones, or take sha256"
            raise UnfitError(text, where="registration")

    def _load(self, known: Known) -> Progress | None:
        with self._engine.reading() as connection:
            return progress_of(connection, known.number)

    # -- steps ------------------------------------------------------------------------------

    async def _prove(self, case: _Case) -> Step:
        return await self._write(case, Happening.PROVE, values_of_meter=case.proof_values())

    async def _check(self, case: _Case) -> Step:
        companion = case.known.companion
        if not companion:
            return await self._write(case, Happening.CHECK, detail={"companion": "none"})
        findings = await checking.check(case.meter, companion)
        text = checking.documented(findings, self._policy.tolerance)
        await self._offload(self._keep_findings, case.known, text)
        checking.refuse_intolerable(companion, findings, self._policy.tolerance)
        detail = {"companion": companion, "differences": len(findings)}
        return await self._write(case, Happening.CHECK, detail=detail)

    async def _time(self, case: _Case) -> Step:
        limit = self._policy.clock_limit_s
        off = await clock.put_right(case.meter, case.known.zone, self._clock, most_s=limit)
        was_set = off is None or abs(off) > limit
        return await self._write(
            case,
            Happening.TIME,
            values={"clock_offset_s": off},
            detail={"offset_s": off, "set": was_set},
        )

    async def _key(self, case: _Case) -> Step:
        if case.keys is None or not self._policy.renew_keys:
            return await self._write(case, Happening.KEY, detail={"renewed": []})
        agree = self._policy.agree_keys
        kinds = await renew_keys(case.meter, case.keys, agree=agree, offload=self._offload)
        return await self._write(case, Happening.KEY, detail={"renewed": kinds})

    async def _record(self, case: _Case) -> Step:
        found: dict[str, Any] = {}
        known = case.known
        kind = f"{known.model}/{known.kind}"
        try:
            firmware = (await case.meter.read(_FIRMWARE)).value
            found["firmware"] = _text(firmware)
        except RefusedError:
            pass
        try:
            listed = await case.meter.get_raw(_OBJECT_LIST)
            # Which objects, versions and rights there are, is how a meter is configured.
            found["configuration"] = hashlib.blake2b(listed, digest_size=8).hexdigest()
        except RefusedError:
            pass
        return await self._write(
            case,
            Happening.RECORD,
            values_of_meter=found,
            values={"push_lists": await self._pushes.learn(case.meter, known.number, kind)},
            detail=found,
        )

    async def _activate(self, case: _Case) -> Step:
        return await self._write(case, Happening.ACTIVATE)

    # -- the store --------------------------------------------------------------------------

    async def _write(self, case: _Case, happening: Happening, **what: Any) -> Step:
        reached: Step = await self._offload(self._written, case.known, happening, what)
        return reached

    def _written(self, known: Known, happening: Happening, what: Mapping[str, Any]) -> Step:
        now = self._clock()
        with self._engine.transaction() as connection:
            reached = move(
                connection,
                known,
                happening,
                self._worker,
                at_s=now,
                until_s=now + self._policy.lease_s,
                values=what.get("values"),
            )
            of_meter = dict(what.get("values_of_meter") or {})
            if happening is Happening.PROVE:
                _check_unique(connection, known, of_meter.get("logical_device_name", ""))
            connection.execute(
                update(METER)
                .where(METER.c.id == known.number)
                .values(heard_s=now, changed_s=int(now), **of_meter)
            )
            self._live(connection, known, happening, now)
            self._journal(
                connection,
                tenant=known.tenant,
                principal=_BY,
                action=f"registration: {happening.value}",
                subject=known.external_id,
                detail=what.get("detail"),
                at_s=now,
            )
        return reached

    def _live(
        self, connection: Connection, known: Known, happening: Happening, now: float
    ) -> None:  # fmt: skip
        """Installed when its identity is proved, active at the end."""
        if happening not in _LIFE:
            return
        before, following = _LIFE[happening]
        query = select(METER.c.state).where(METER.c.id == known.number)
        if connection.execute(query).scalar() == before:
            move_life(connection, known.number, following, reason="registered", by=_BY, at_s=now)

    def _keep_findings(self, known: Known, text: str) -> None:
        with self._engine.transaction() as connection:
            connection.execute(
                update(REGISTRATION)
                .where(REGISTRATION.c.meter == known.number)
                .values(findings=text)
            )


@dataclass(slots=True)
class _Case:
    """One meter in one association."""

    known: Known
    meter: Meter
    keys: MeterKeys | None
    proof: Proof

    def proof_values(self) -> dict[str, Any]:
        """What the inventory did not know and the meter has proved."""
        proof, known = self.proof, self.known
        found: dict[str, Any] = {}
        if proof.logical_device_name and not known.logical_device_name:
            found["logical_device_name"] = proof.logical_device_name
        if proof.serial_number and not known.serial_number:
            found["serial_number"] = proof.serial_number
        if proof.system_title and not known.system_title:
            found["system_title"] = proof.system_title
        if known.first_authentication and self.keys is not None:  # it has keys by now
            found |= {"first_authentication": "", "first_client": None}
        return found


def _check_unique(connection: Connection, known: Known, name: str) -> None:
    """A name that belongs to another meter is no name of this one."""
    if not name:
        return
    other = connection.execute(
        select(METER.c.external_id).where(
            METER.c.tenant == known.tenant,
            METER.c.logical_device_name == name,
            METER.c.id != known.number,
            METER.c.state != "retired",
        )
    ).first()
    if other is not None:
        text = f"the logical device name is that of {other.external_id}"
        raise IdentityError(text, where="registration")


def _text(value: Any) -> str:
    if isinstance(value, bytes | bytearray):
        octets = bytes(value)
        return octets.decode("ascii") if octets.isascii() and octets else octets.hex()
    return str(value)[:100]
