"""A client that we did not write reads every attribute of every object that it sees.

What the meter refuses it refuses our own client as well, with the same code; what the foreign
client does not understand is listed, and is its own affair.
"""

from __future__ import annotations

import pytest
from black_boxes import GURUX, foreign, running

import ferraris
from ferraris.data.obis import Obis

pytestmark = pytest.mark.services

READ_WRITE_DENIED, OBJECT_UNAVAILABLE = "refused: 3", "refused: 11"
NOT_UNDERSTOOD = {(40, 2), (40, 10), (1, 2)}
"""Push lists of version 1 and 2 with their columns and options; a time that is no date-time."""


@pytest.mark.parametrize("template", ["residential", "mbus-host", "gas", "water"])
def test_every_attribute_reads_or_is_refused_for_its_reason(template: str) -> None:
    with running("tcp", template=template) as meter:
        security = ferraris.HighGMAC(
            bytes.fromhex(meter["encryption_key"]), bytes.fromhex(meter["authentication_key"])
        )
        with ferraris.open(meter["url"], security=security) as own:
            objects = own.object_list()
            counter = own.parameters.lease.last if own.parameters.lease else 0
        found = foreign(GURUX, meter, "gmac", browse=True, counter=(counter or 0) + 10)["browsed"]
    assert {(each.class_id, str(Obis(each.logical_name))) for each in objects} == {
        (class_id, str(Obis.parse(name))) for class_id, name, _, _ in found
    }
    refused = {(class_id, index): outcome for class_id, _, index, outcome in found if outcome}
    for (class_id, index), outcome in refused.items():
        if outcome == READ_WRITE_DENIED:
            assert (class_id, index) == (15, 7)  # the secret of an association
        elif outcome == OBJECT_UNAVAILABLE:
            assert class_id == 70  # a valve that the device on this channel has not
            assert template == "mbus-host"
        else:
            assert (class_id, index) in NOT_UNDERSTOOD, (class_id, index, outcome)
    assert len(found) > 100
