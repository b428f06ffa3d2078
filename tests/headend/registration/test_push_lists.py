from __future__ import annotations

import pytest

from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.headend.registration.push_lists import fingerprint
from ferraris.model.data_storage import CaptureObject
from ferraris.model.push import PushSetup

SETUP = Obis.parse("0-0:25.9.0*255")


def listing(name):
    objects = [CaptureObject(40, SETUP, 2, 0), CaptureObject(4, Obis.parse(name), 2, 0)]
    return [(SETUP, axdr.encode(PushSetup.push_object_list.type.dump(objects)))]


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("1-0:1.8.0*255", True),
        ("0-0:24.2.1*255", True),
        ("0-1:24.2.1*255", False),
        ("0-10:24.3.0*255", False),  # its channel is the octet of a line's end
    ],
)
def test_alike_hosts_share_no_scalers_of_what_is_on_their_channels(name, shared):
    first, second = (fingerprint(listing(name), "model/template", number) for number in (1, 2))
    assert (first == second) is shared
    assert first == fingerprint(listing(name), "model/template", 1)
    assert first != fingerprint(listing(name), "another", 1)
