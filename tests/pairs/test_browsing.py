"""Browsing meters with classes and versions that are not declared here: read all the same."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from types import MappingProxyType

import pytest
from pairing import Mailbox, Pair

from ferraris.client.browsing import BrowsedObject
from ferraris.client.meter import Meter
from ferraris.core.errors import RefusedError
from ferraris.data.obis import Obis
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template
from ferraris.server.device import READ, AccessRights, ObjectEntry, ObjectRights

WI_SUN = (95, 0, Obis.parse("0-0:96.128.1*255"))  # known by name
MAKER = (40_000, 1, Obis.parse("0-0:96.128.2*255"))  # not known at all
LATER = (63, 9, Obis.parse("0-0:96.128.3*255"))  # a version after all that are declared
EARLIER = (7, 0, Obis.parse("0-0:96.128.4*255"))  # a version before all that are declared
STRANGE = (WI_SUN, MAKER, LATER, EARLIER)


def fleet() -> Fleet:
    """Residential meters with objects that nobody declares; each gives attributes 1 and 2."""
    made = copy(template("residential"))
    behaviours, objects, rights = dict(made.behaviours), dict(made.objects), {}
    for class_id, version, name in STRANGE:
        behaviour = Mailbox()
        key = behaviour.key = (class_id, bytes(name))
        behaviours[key] = behaviour
        objects[key] = ObjectEntry(class_id, version, bytes(name))
        rights[key] = ObjectRights({1: READ, 2: READ, 3: READ})
    made.behaviours, made.objects = MappingProxyType(behaviours), MappingProxyType(objects)
    made.associations = MappingProxyType(
        {
            client: replace(each, rights=AccessRights({**each.rights.objects, **rights}))
            for client, each in made.associations.items()
        }
    )
    return Fleet(made, 1, seed=7)


def test_what_is_not_declared_is_read_as_plain_data() -> None:
    pair = Pair(fleet=fleet())

    async def procedure(meter: Meter) -> list[BrowsedObject]:
        return await meter.browse()

    found = {each.logical_name: each for each in pair.run(pair.security("gmac"), procedure)}
    for class_id, version, name in STRANGE:
        each = found[name]
        assert (each.class_id, each.version) == (class_id, version)
        assert [attribute.attribute_id for attribute in each.attributes] == [1, 2, 3]
    told = {name: (found[name].class_name, found[name].layout) for _, _, name in STRANGE}
    assert told == {
        WI_SUN[2]: ("Wi-SUN set-up", "layout not known"),
        MAKER[2]: ("", "layout not known"),
        LATER[2]: ("Status mapping", "version not known, names as in version 0"),
        EARLIER[2]: ("Profile generic", "layout not known"),
    }
    names = {name: [each.name for each in found[name].attributes] for name in (WI_SUN[2], LATER[2])}
    assert names == {
        WI_SUN[2]: ["attribute 1", "attribute 2", "attribute 3"],
        LATER[2]: ["logical_name", "status_word", "mapping_table"],
    }
    read = found[WI_SUN[2]].attributes
    assert read[0].data == (9, bytes(WI_SUN[2]))
    assert read[1].data == (9, b"")
    assert read[2].refused
    assert found[Obis.parse("0-0:1.0.0*255")].layout == ""
    assert found[Obis.parse("0-0:1.0.0*255")].class_name == "Clock"


def test_what_is_not_declared_is_read_by_its_name() -> None:
    pair = Pair(fleet=fleet())

    async def procedure(meter: Meter) -> None:
        await meter.object_list()
        for class_id, _, name in (WI_SUN, MAKER, LATER):
            assert (await meter.read(name)).value == b""
            assert await meter.get_data(class_id, name, 2) == (9, b"")
        with pytest.raises(RefusedError):
            await meter.get_data(*WI_SUN[::2], 4)

    pair.run(pair.security("gmac"), procedure)
