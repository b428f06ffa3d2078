"""The older household meter: each object has a base name with room, and a client finds it."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

import ferraris
from ferraris.core.errors import RefusedError
from ferraris.line.url import Endpoint
from ferraris.meter.fleet import Fleet
from ferraris.meter.serving import listen
from ferraris.meter.template import Template
from ferraris.meter.templates import template
from ferraris.model.short_names import (
    CURRENT_ASSOCIATION_NAME,
    LOGICAL_DEVICE_NAME,
    SAP_ASSIGNMENT_NAME,
)


@pytest.fixture(scope="module")
def made() -> Template:
    return template("residential-sn")


def test_every_object_has_a_base_name_and_room(made: Template) -> None:
    bases = sorted(entry.base_name or 0 for entry in made.objects.values())
    assert len(bases) == len(made.objects) == 23
    assert all(base % 8 == 0 for base in bases)
    assert all(after - before >= 0x100 for before, after in pairwise(bases))
    reserved = {CURRENT_ASSOCIATION_NAME, LOGICAL_DEVICE_NAME, SAP_ASSIGNMENT_NAME}
    assert reserved <= set(bases)


def test_nothing_but_short_names_is_offered(made: Template) -> None:
    assert made.short_names
    assert all(settings.short_names for settings in made.associations.values())
    assert not template("residential").short_names


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_whoever_is_given_its_line_of_keys_reaches_it(made: Template, scheme: str) -> None:
    fleet = Fleet(made, 3, seed=5)

    async def session() -> list[object]:
        found: list[object] = []
        async with await listen(fleet, Endpoint(scheme, "127.0.0.1", 0)) as listening:
            for index in range(3):
                keys = listening.line(index)
                assert "names=short" in keys["url"]
                security = ferraris.Password(keys["password"].encode())
                async with ferraris.connect(
                    keys["url"], server=keys["server"], security=security
                ) as meter:
                    found.append((await meter.read("0-0:42.0.0*255")).value)
        return found

    assert asyncio.run(session()) == [meter.logical_device_name for meter in fleet]


def test_a_simulated_url_gives_a_meter_with_its_keys() -> None:
    with ferraris.open("sim://residential-sn?seed=4") as meter:
        assert meter.read("1-0:1.8.0*255").unit is not None
        assert len(meter.object_list()) == 23
    with (
        pytest.raises(RefusedError, match="other kind of names"),
        ferraris.open("sim://residential-sn?seed=4", short_names=False),
    ):
        pass
