"""A head-end put together from its configuration: the rooms, and what runs by itself in them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection

from ferraris.client import Meter
from ferraris.core.errors import UsageError
from ferraris.headend.access.opening import Access
from ferraris.headend.api import application, serving_options, settings_of
from ferraris.headend.api.application import access_of
from ferraris.headend.audit.anchoring import keep_anchored
from ferraris.headend.collect import Collection, CollectionSettings, DlmsFace, DlmsMeters, Target
from ferraris.headend.configuration import Configuration
from ferraris.headend.intake.calls import CallIntake
from ferraris.headend.intake.pushes import PushIntake
from ferraris.headend.intake.senders import Senders
from ferraris.headend.intake.writing import PushWriter
from ferraris.headend.inventory import key_id
from ferraris.headend.inventory.groups import group_selection, members
from ferraris.headend.observe.health import Health
from ferraris.headend.observe.logs import SessionLog
from ferraris.headend.observe.metrics import Metrics
from ferraris.headend.observe.observer import Observer, Observers
from ferraris.headend.operations import House
from ferraris.headend.operations.feed import Feed
from ferraris.headend.page.routes import Page
from ferraris.headend.page.site import PageSettings
from ferraris.headend.privacy.sealer import CustomerSealer
from ferraris.headend.privacy.settling import keep_settled
from ferraris.headend.registration.checking import Tolerance
from ferraris.headend.registration.procedure import RegistrationPolicy
from ferraris.headend.registration.push_learning import PushLearning
from ferraris.headend.registration.recognition import Known
from ferraris.headend.registration.registrar import Registrar
from ferraris.headend.registration.strangers import Strangers
from ferraris.headend.service.clock_watch import OVERRIDE, ClockWatch, steady_clock
from ferraris.headend.service.housekeeping import housekeeping
from ferraris.headend.service.keys_at_hand import keys_at_hand
from ferraris.headend.service.serving import serve
from ferraris.headend.service.store_watch import StoreWatch
from ferraris.headend.service.supervising import Part
from ferraris.headend.service.watched import watched
from ferraris.headend.store.archive import Archive
from ferraris.headend.store.opening import Store
from ferraris.headend.store.retention import Retention
from ferraris.headend.vee.rounds import Rounds
from ferraris.headend.vee.validation import Validation
from ferraris.keys import KeyStore
from ferraris.line.url import Endpoint

__all__ = ["Built", "Furnishing", "built"]

Clock = Callable[[], float]

_FLOORS_S = 30.0
_TITLE_OCTETS = 8


@dataclass(slots=True)
class Built:
    """A head-end that is ready to run: its rooms, and the parts that a service starts.

    `ports` are those that parts listen on, once they do.
    """

    configuration: Configuration
    house: House
    archive: Archive
    meters: DlmsMeters
    collection: Collection
    validation: Validation
    registrar: Registrar
    learning: PushLearning
    health: Health
    metrics: Metrics
    parts: dict[str, Part] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Furnishing:
    """What a head-end in another process than a service is given: keys, a clock, settings."""

    keys: KeyStore | None = None
    clock: Clock = time.time
    collection: CollectionSettings | None = None
    exclusive: bool = False
    progress: Callable[[Any], None] | None = None


@contextmanager
def built(
    configuration: Configuration, furnishing: Furnishing = Furnishing()
) -> Iterator[Built]:  # fmt: skip
    """Open store and keys and put the rooms together; closes them in the end.

    Raises `UsageError` for a configuration that cannot work, `StoreError` for a store that cannot
    be opened, `SecurityError` for keys that cannot.
    """
    with ExitStack() as stack:
        keys = furnishing.keys or stack.enter_context(keys_at_hand(configuration))
        store = stack.enter_context(
            Store.open(configuration.location(), tenant=configuration.tenant)
        )  # fmt: skip
        yield _put_together(configuration, furnishing, store, keys)


def _put_together(
    configuration: Configuration, given: Furnishing, store: Store, keys: KeyStore
) -> Built:
    clock, engine = given.clock, store.engine
    sealer = CustomerSealer(engine, keys)
    archive = Archive(engine, store.tenant, sealer)
    learning = PushLearning(engine, clock=clock)
    hears_pushes = bool(configuration.intake.push)
    meters = DlmsMeters(
        keys,
        system_title=_system_title(configuration),
        key_of=partial(_secrets_of, configuration.tenant),
        timeout_s=configuration.collect.timeout_s,
        clock=clock,
        met=learning.meet if hears_pushes else None,
    )

    def prepare(targets: Iterable[Target]) -> None:
        listed = list(targets)
        meters.prepare(listed)
        if hears_pushes:
            learning.prepare(listed)

    metrics = Metrics()
    collection = Collection(
        archive,
        meters.open,
        settings=given.collection
        or CollectionSettings(concurrency=configuration.collect.concurrency),
        members=group_selection,
        prepare=prepare,
        progress=given.progress,
        observer=_observers(configuration, metrics),
        clock=clock,
        exclusive=given.exclusive,
    )
    validation = Validation(Rounds(engine, sealer, _members), clock=clock)
    house = House(engine, keys, clock, {CustomerSealer: sealer, Collection: collection})
    strangers = Strangers(engine, clock, journal=house.journal.write)
    registrar = Registrar(
        engine,
        keys,
        strangers,
        system_title=_system_title(configuration),
        policy=_policy(configuration),
        journal=house.journal.write,
        key_name=key_id,
        clock=clock,
    )
    whole = Built(
        configuration, house, archive, meters, collection, validation, registrar, learning,
        Health(time.monotonic), metrics,
    )  # fmt: skip
    _give_parts(whole, strangers)
    return whole


def _observers(configuration: Configuration, metrics: Metrics) -> Observer:
    observers: list[Observer] = [metrics, SessionLog()]
    target = configuration.observe.spans
    if target:
        try:
            from ferraris.headend.observe.spans import (  # noqa: PLC0415 - the telemetry extra
                SessionSpans,
                provider_of,
            )
        except ImportError:
            raise UsageError(
                "observe.spans needs pip install 'ferraris[telemetry]'", where="configuration"
            ) from None
        observers.append(SessionSpans(provider_of(target)))
    return Observers(observers)


def _give_parts(whole: Built, strangers: Strangers) -> None:
    configuration, house, parts = whole.configuration, whole.house, whole.parts
    clock, engine = house.clock, house.engine
    # What cannot work is said now, not by a part that begins again and again.
    parts["http"] = partial(
        _http,
        whole,
        serving_options(configuration),
        PageSettings(zone=_zone(configuration), target=configuration.collect.target),
    )
    if configuration.observe.metrics:
        parts["observe"] = partial(_observed, whole, _watch_options(configuration))
    parts["store"] = StoreWatch(engine, house.journal.write, clock=clock).run
    watch = ClockWatch(
        engine,
        house.journal.write,
        override=configuration.place(OVERRIDE),
        clock=clock,
        steady=steady_clock,
    )
    parts["clock"] = watch.run
    parts["audit"] = partial(keep_anchored, engine, clock=clock)
    sealer = house.part(CustomerSealer)
    parts["erasures"] = partial(
        keep_settled, engine, sealer, journal=house.journal.write, clock=clock
    )
    by_the_hour: dict[str, Part] = {}
    by_the_hour["housekeeping"] = partial(
        housekeeping, engine, Retention.of(configuration.retention), whole.metrics, clock=clock
    )
    if configuration.collect.active:
        by_the_hour["collection"] = whole.collection.run
        by_the_hour["registration"] = whole.registrar.run
        parts["floors"] = partial(_keep_floors, whole.meters)
    if configuration.validate.active:
        by_the_hour["validation"] = whole.validation.run
    if configuration.intake.push:
        endpoints = [configuration.endpoint(url) for url in configuration.intake.push]
        by_the_hour["pushes"] = partial(_pushes, whole, strangers, endpoints)
    for number, url in enumerate(configuration.intake.call_in):
        by_the_hour[f"calls {number + 1}" if number else "calls"] = partial(
            _calls, whole, strangers, configuration.endpoint(url)
        )
    parts.update({name: watch.held(part) for name, part in by_the_hour.items()})


async def _keep_floors(meters: DlmsMeters) -> None:
    """Counters that meters have shown us go to the key store, now and then and in the end."""
    try:
        while True:
            await asyncio.sleep(_FLOORS_S)
            await asyncio.to_thread(meters.keep)
    finally:
        meters.keep()


async def _http(whole: Built, options: dict[str, Any], look: PageSettings) -> None:
    """The API and the page."""
    house = whole.house
    settings = settings_of(whole.configuration)
    access: Access = access_of(house, settings, time.monotonic)
    parts = {**house.parts, Access: access, Health: whole.health, Feed: Feed(house)}
    open_house = House(house.engine, house.keys, house.clock, parts, house.journal)
    page = Page(open_house, access, look)
    app = application(open_house, page.routes, settings)

    def started(port: int) -> None:
        whole.ports["http"] = port

    def stopping() -> None:
        page.close()
        app.state.watching.close()

    await serve(app, options, started=started, stopping=stopping)


async def _observed(whole: Built, options: dict[str, Any]) -> None:
    """Metrics and health, on an address of their own."""

    def started(port: int) -> None:
        whole.ports["observe"] = port

    await serve(watched(whole.metrics, whole.health), options, started=started)


def _watch_options(configuration: Configuration) -> dict[str, Any]:
    host, _, port = configuration.observe.metrics.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError("observe.metrics is HOST:PORT", where="configuration")
    return {
        "host": host.strip("[]"),
        "port": int(port),
        "lifespan": "off",
        "access_log": False,
        "log_config": None,
        "server_header": False,
    }


async def _pushes(whole: Built, strangers: Strangers, endpoints: Sequence[Endpoint]) -> None:
    """What meters send by themselves."""
    house, configuration = whole.house, whole.configuration
    tenant = whole.archive.tenant
    senders = Senders(
        house.engine,
        _store_of(house),
        tenant,
        system_title=_system_title(configuration),
        clock=house.clock,
    )
    writer = PushWriter(
        house.engine,
        whole.archive,
        senders,
        strangers,
        announced=whole.registrar.announced,
        clock=house.clock,
    )
    intake = PushIntake(
        endpoints, tenant, senders, writer, strangers,
        clock=house.clock, touched=whole.collection.touched, observer=whole.metrics,
    )  # fmt: skip
    await intake.open()
    whole.ports.update({f"push {n + 1}": port for n, port in enumerate(intake.ports)})
    await intake.run()


async def _calls(whole: Built, strangers: Strangers, endpoint: Endpoint) -> None:
    """Meters that call in: registered, or read in the association that they opened."""
    house = whole.house

    async def serve_one(known: Known, meter: Meter) -> None:
        if whole.configuration.intake.push:
            alike = (known.companion, known.kind, known.model, "")
            target = Target(known.number, known.external_id, alike=alike)
            await whole.learning.meet(target, meter)
        await whole.collection.serve(known.number, DlmsFace(meter))

    intake = CallIntake(
        endpoint,
        whole.archive.tenant,
        whole.registrar,
        strangers,
        engine=house.engine,
        keys=_store_of(house),
        serve=serve_one,
        system_title=_system_title(whole.configuration),
        clock=house.clock,
    )
    await intake.open()
    whole.ports[f"calls {endpoint}"] = intake.port
    await intake.run()


def _store_of(house: House) -> KeyStore:
    keys = house.keys
    if not isinstance(keys, KeyStore):
        raise UsageError("a service needs a key store in a file", where="service")
    return keys


def _members(connection: Connection, tenant: int, name: str) -> list[int]:
    return members(connection, tenant, name)


def _secrets_of(tenant: str, target: Target) -> str:
    return key_id(tenant, target.external_id)


def _system_title(configuration: Configuration) -> bytes:
    told = configuration.collect.system_title
    title = told.encode("ascii", "replace")
    if len(title) == 2 * _TITLE_OCTETS:
        try:
            title = bytes.fromhex(told)
        except ValueError:
            title = b""
    if len(title) != _TITLE_OCTETS:
        raise UsageError(
            "collect.system_title has eight characters, the first three of them the maker's, or "
            "sixteen hexadecimal digits",
            where="configuration",
        )
    return title


def _policy(configuration: Configuration) -> RegistrationPolicy:
    given = configuration.register
    return RegistrationPolicy(
        tolerance=Tolerance(verdicts=frozenset(given.tolerate)),
        clock_limit_s=given.clock_limit_s,
        renew_keys=given.renew_keys,
        agree_keys=given.agree_keys,
        trust_passwords=given.trust_passwords,
        trust_weak=given.trust_weak,
        timeout_s=configuration.collect.timeout_s,
    )


def _zone(configuration: Configuration) -> ZoneInfo:
    try:
        return ZoneInfo(configuration.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            f"no time zone {configuration.zone!r}: an IANA name like Europe/Berlin",
            where="configuration",
        ) from None
