"""A client that we did not write reads every attribute of every object that it sees.

What the meter refuses it refuses our own client as well, with the same code; what the foreign
client does not understand is listed, and is its own affair.
"""

from __future__ import annotations

import pytest
from black_boxes import GURUX, foreign, running

import ferraris
from ferraris.data.obis import Obis
from ferraris.meter.templates import names, template

pytestmark = pytest.mark.services

READ_WRITE_DENIED, OBJECT_UNAVAILABLE = "refused: 3", "refused: 11"
NOT_UNDERSTOOD = {(40, 2), (40, 10), (1, 2)}
"""Push lists of version 1 and 2 with their columns and options; a time that is no date-time."""


@pytest.mark.parametrize("name", [name for name in names() if name != "residential-sn"])
def test_every_attribute_reads_or_is_refused_for_its_reason(name: str) -> None:
    with running("tcp", template=name) as meter:
        client = meter["client"]
        security = ferraris.HighGMAC(
            bytes.fromhex(meter["encryption_key"]), bytes.fromhex(meter["authentication_key"])
        )
        with ferraris.open(meter["url"], client=client, security=security) as own:
            objects = own.object_list()
            counter = own.parameters.lease.last if own.parameters.lease else 0
        wishes = {"browse": True, "counter": (counter or 0) + 10, "client": client}
        found = foreign(GURUX, meter, "gmac", **wishes)["browsed"]
    assert {(each.class_id, str(Obis(each.logical_name))) for each in objects} == {
        (class_id, str(Obis.parse(name))) for class_id, name, _, _ in found
    }
    _judge(name, client, found)
    assert len(found) > 100


@pytest.mark.parametrize(("way", "client"), [("none", 16), ("password", 2)])
def test_every_attribute_by_short_name(way: str, client: int) -> None:
    name = "residential-sn"
    with running("tcp", template=name) as meter:
        found = foreign(GURUX, meter, way, browse=True, client=client, short=True)["browsed"]
    listed = {(each.class_id, each.logical_name) for each in template(name).objects.values()}
    assert {(class_id, bytes(Obis.parse(name))) for class_id, name, _, _ in found} <= listed
    _judge(name, client, found)
    assert sum(not outcome for *_, outcome in found) > {16: 10, 2: 70}[client]


def _judge(name: str, client: int, found: list[tuple[int, str, int, str]]) -> None:
    """What read should read, and what was refused was refused for its reason."""
    rights = template(name).associations[client].rights.objects
    for class_id, logical_name, index, outcome in found:
        readable = rights[class_id, bytes(Obis.parse(logical_name))].attributes
        if not outcome or outcome == READ_WRITE_DENIED:
            assert (outcome == "") == (index == 1 or index in readable), (class_id, index)
        elif outcome == OBJECT_UNAVAILABLE:
            # Nothing was protected yet; there is no security set-up; a device without a valve.
            is_valve = class_id == 70 and Obis.parse(logical_name).c == 24
            assert class_id in (15, 30) or is_valve
        else:
            assert (class_id, index) in NOT_UNDERSTOOD, (class_id, index, outcome)
