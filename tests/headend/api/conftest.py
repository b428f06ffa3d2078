"""An API in this process: two tenants, their meters and principals, and a client without mercy."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from of_everything import SHARED, fill
from sqlalchemy import insert, select

from ferraris.headend.access import principals, tokens
from ferraris.headend.access.grants import Grant
from ferraris.headend.access.rights import ROLES as ACCESS_ROLES
from ferraris.headend.access.rights import Right
from ferraris.headend.api import ApiSettings, application
from ferraris.headend.operations import Desk, House, Stream, operation
from ferraris.headend.operations.feed import Feed
from ferraris.headend.operations.registry import collected
from ferraris.headend.store.engine import Engine
from ferraris.headend.store.tables.inventory import GROUP, METER, TENANT
from ferraris.keys import MemoryKeys


class Clock:
    """UTC and monotonic, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True, slots=True)
class Model:
    """What a planted meter is to be called."""

    model: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted meter."""

    meter: str
    model: str


@operation("GET /planted/{meter}", command="planted show", right=Right.SEE_METERS)
def show_planted(desk: Desk, meter: str) -> Planted:
    """Show a planted meter."""
    row = desk.meter(meter, Right.SEE_METERS)
    return Planted(row.external_id, row.model)


@operation("PUT /planted/{meter}", command="planted change", right=Right.MANAGE_METERS)
def change_planted(desk: Desk, meter: str, body: Model) -> Planted:
    """Change a planted meter."""
    row = desk.meter(meter, Right.MANAGE_METERS)
    if body.how == "break":
        raise ZeroDivisionError("/secret/path of the machine")
    model = row.model + body.model
    desk.connection.execute(METER.update().where(METER.c.id == row.id).values(model=model))
    return Planted(meter, model)


@operation("GET /planted/{meter}/columns", command="planted columns", right=Right.SEE_READINGS)
def planted_columns(desk: Desk, meter: str, chunks: int = 3) -> Stream:
    """Stream what a planted meter measured."""
    desk.meter(meter, Right.SEE_READINGS)

    def made():
        for number in range(chunks):
            if number == 99:
                raise ZeroDivisionError
            yield desk.connection.execute(select(METER.c.external_id).limit(1)).scalar().encode()

    return Stream("application/octet-stream", made(), "ü/..\r\nX: y.bin")


PLANTED = tuple(each.operation for each in (show_planted, change_planted, planted_columns))


@dataclass
class Got:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    """The application, with the tokens of its principals by name."""

    app: Any
    house: House
    clock: Clock
    tokens: dict[str, str]
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    def ask(
        self,
        method: str,
        path: str | bytes,
        *,
        who: str | None = "admin",
        body: Any = None,
        headers: Any = (),
        raw: bytes | None = None,
        address: str = "127.0.0.1",
    ) -> Got:
        """One request, on a loop that the application keeps."""
        sent = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers]
        if who is not None:
            sent.append((b"authorization", f"Bearer {self.tokens.get(who, who)}".encode("latin-1")))
        octets = raw if raw is not None else b""
        if body is not None:
            octets = json.dumps(body).encode()
        if octets and not any(name == b"content-type" for name, _ in sent):
            sent.append((b"content-type", b"application/json"))
        scope = self.scope(method, path, sent, address)
        return self.loop.run_until_complete(_ask(self.app, scope, octets))

    def scope(
        self, method: str, path: str | bytes, sent: Any = None, address: str = "127.0.0.1"
    ) -> dict[str, Any]:
        """What a server makes of a request; of the administrator, with a document, by default."""
        if sent is None:
            bearer = f"Bearer {self.tokens['admin']}".encode("latin-1")
            sent = [(b"authorization", bearer), (b"content-type", b"application/json")]
        path = path.encode() if isinstance(path, str) else path
        place, _, query = path.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": place.decode("latin-1"),
            "raw_path": place,
            "query_string": query,
            "root_path": "",
            "headers": sent,
            "client": (address, 1234),
            "server": ("127.0.0.1", 80),
        }


async def _ask(app: Any, scope: Any, octets: bytes) -> Got:
    answered: list[Any] = []
    waiting = [{"type": "http.request", "body": octets, "more_body": False}]

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        answered.append(message)

    await app(scope, receive, send)
    head, *rest = answered
    headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in head["headers"]}
    return Got(head["status"], headers, b"".join(each.get("body", b"") for each in rest))


ROLES = {
    "admin": (1, "administrator", ""),
    "viewer": (1, "viewer", ""),
    "analyst": (1, "analyst", ""),
    "north": (1, "administrator", "north"),
    "stranger": (2, "administrator", ""),
}
EVERY_ROLE = ROLES | {f"a {role}": (1, role, "") for role in ACCESS_ROLES}


def furnish(engine: Any, clock: Clock, roles: Any = None) -> dict[str, str]:
    """Two tenants, four meters, principals with `roles`; the tokens by name."""
    secrets = {}
    with engine.transaction() as connection:
        connection.execute(insert(TENANT), [{"id": 1, "name": "main"}, {"id": 2, "name": "other"}])
        rows = [
            (1, "a", "north"),
            (1, "b", "south"),
            (1, "x/y ü", "south"),
            (2, "c", "north"),
        ]
        connection.execute(
            insert(METER),
            [
                {
                    "id": number,
                    "tenant": tenant,
                    "external_id": name,
                    "maker": maker,
                    "system_title": b"",
                    "created_s": 0,
                    "changed_s": 0,
                }
                for number, (tenant, name, maker) in enumerate(rows, 1)
            ],
        )
        connection.execute(insert(GROUP).values(tenant=1, name="north", query=NORTH, built_in=0))
        for name, (tenant, role, group) in (roles or ROLES).items():
            number = principals.create(connection, tenant, name, at_s=clock())
            principals.grant(connection, tenant, number, Grant(role, group))
            until_s = clock() + 86_400
            _, secrets[name] = tokens.issue(
                connection, tenant, number, "t", at_s=clock(), expires_s=until_s
            )
    return secrets


def _north() -> str:
    from ferraris.headend.inventory.query import to_document
    from ferraris.headend.inventory.query_text import parse_query

    return json.dumps(to_document(parse_query("maker = north")))


NORTH = _north()


@pytest.fixture
def clock():
    return Clock()


BOTH = pytest.mark.parametrize(
    "back_end",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)],
)
"""For tests that lean on what the database does; the others are content with SQLite."""


@pytest.fixture
def back_end():
    return "sqlite"


@pytest.fixture
def made(request, back_end, clock):
    """Makes the API with other settings."""
    if back_end == "sqlite":
        engine = request.getfixturevalue("sqlite_engine")
    else:
        kept = request.getfixturevalue("postgresql_kept")
        engine = Engine(kept.location())
    secrets = furnish(engine, clock)
    with serving(engine, clock, secrets) as make:
        yield make
    if back_end == "postgresql":
        kept.clean()


async def _never(_: float) -> None:
    await asyncio.Event().wait()


@contextmanager
def serving(engine: Engine, clock: Clock, secrets: dict[str, str]) -> Iterator[Callable[..., Api]]:
    """Makes the API of a store with settings; it is closed with the store."""
    loop = asyncio.new_event_loop()

    def make(**settings: Any) -> Api:
        feed = Feed(House(engine, MemoryKeys(), clock), sleep=_never, monotonic=clock)
        house = House(engine, MemoryKeys(), clock, {Feed: feed})  # tests say when it looks
        app = application(
            house,
            settings=ApiSettings(**settings),
            operations=(*collected(), *PLANTED),
            monotonic=clock,
        )
        return Api(app, house, clock, secrets, loop)

    yield make
    for each in asyncio.all_tasks(loop):
        each.cancel()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    engine.close()


@pytest.fixture(scope="module")
def marked(empty_file, tmp_path_factory):
    """An API whose first tenant has a row in every table, for tests that change none of them."""
    with _marked(empty_file, tmp_path_factory.mktemp("marked") / "store.sqlite", None) as api:
        yield api


@pytest.fixture(scope="module")
def sparse(empty_file, tmp_path_factory):
    """The same without all that is of meters, customers or principals."""
    with _marked(empty_file, tmp_path_factory.mktemp("sparse") / "store.sqlite", SHARED) as api:
        yield api


@contextmanager
def _marked(empty: Path, place: Path, only: set[str] | None) -> Iterator[Api]:
    shutil.copy(empty, place)
    engine, clock = Engine(str(place)), Clock()
    secrets = furnish(engine, clock, EVERY_ROLE)
    fill(engine, only)
    with serving(engine, clock, secrets) as make:
        yield make(requests_a_second=1e9, burst=10**9)


@pytest.fixture
def api(made):
    return made()
