"""Every recorded push, from the line to its readings, or its reason."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ferraris.client.listening import PushStation
from ferraris.client.push import Push, PushFailed
from ferraris.client.push_keys import PushKeys
from ferraris.client.push_links import HdlcPushLink, MBusPushLink
from ferraris.client.push_receiving import PushReceiver
from ferraris.core.layer import Deliver
from ferraris.core.stack import over
from ferraris.messaging.dlms.notify import DataNotification
from ferraris.transport import wrapper
from ferraris.transport.wrapper import WrapperServer

_DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "corpora"
FOLDER = Path(os.environ.get("FERRARIS_CORPORA", _DEFAULT))

NOT_READ = {
    "push hdlc_landis_gyr_zmf100": "the frame check sequence is wrong in the source",
    "push lg_e450 UNENCRYPTED_INVALID_DATA": "blocks of two pushes, and one block lost",
}
READINGS = {
    "push hdlc_iskra550": 16,
    "push hdlc_kamstrup_omnipower": 32,
    "push hdlc_norway_han_1phase": 9,
    "push mbus_netz_noe_p1": 11,
    "push raw_energomera": 6,
    "push raw_salzburg_netz": 15,
    "push iskra_am550 UNENCRYPTED_VALID_DATA_CFG2026": 13,
    "push lg_e450 UNENCRYPTED_VALID_DATA": 15,
    "push lg_e450 UNENCRYPTED_EXTENDED_REGISTER_DATA": 9,
    "push lg_e570 ENCRYPTED_VALID_DATA": 17,
    "push lg_e570 UNENCRYPTED_VALID_DATA_LOAD_CFG2026": 13,
    "UDP wrapper push, general-glo-ciphering (gas meter)": 0,  # one octet-string of the maker's
    "tirol/ma309-2-segment": 11,
}


def rows() -> list[Any]:
    found = []
    for name in ("dlms-vectors.jsonl", "austria-mbus-dlms.jsonl"):
        path = FOLDER / name
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            found += [json.loads(line) for line in lines]
    pushes = [row for row in found if row.get("category", "push") == "push"]
    return [pytest.param(row, id=f"{n}-{row['name']}") for n, row in enumerate(pushes)]


ROWS = rows()


def receiver_of(row: dict[str, Any]) -> PushReceiver:
    keys = row.get("keys") or ({"ek": row["key"]} if "key" in row else None)
    if keys is None:
        return PushReceiver()
    title = bytes.fromhex(keys.get("system_title", "4b464d1010000023"))
    authentication = bytes.fromhex(keys["ak"]) if "ak" in keys else None
    return PushReceiver({title: PushKeys(bytes.fromhex(keys["ek"]), authentication)})


def taken(row: dict[str, Any]) -> list[Push | PushFailed]:
    octets = bytes.fromhex(row["hex"])
    link: Any = WrapperServer()
    if octets[:1] == b"\x68":
        link = MBusPushLink()
    elif octets[:1] == b"~":
        link = HdlcPushLink()
    elif octets[:2] != b"\0\1":
        octets = wrapper.pack(1, 1, octets)
    stack = over(PushStation(receiver_of(row), "the meter"), link)
    stack.open(0.0)
    for at in range(0, len(octets), 50):
        stack.receive(octets[at : at + 50], at / 1000)
    stack.wake(1000.0)
    found = []
    while (what := stack.event()) is not None:
        if isinstance(what, Deliver):
            found.append(what.unit)
    return found


@pytest.mark.parametrize("row", ROWS)
def test_recorded_pushes_become_readings(row: dict[str, Any]):
    found = taken(row)
    pushes = [item for item in found if isinstance(item, Push)]
    if row["name"] in NOT_READ:
        assert not pushes
        assert found
        return
    (push,) = pushes
    assert len(push.readings) == READINGS[row["name"]]
    assert isinstance(push.apdu, DataNotification)
    expect = row["expect"]
    wanted = expect.get("notification")
    if wanted is not None:
        assert push.apdu.date_time.hex() == wanted["date_time"]
    plain = expect.get("plain") or expect.get("plaintext")
    if plain is not None:
        assert push.apdu.to_octets().hex() == plain


@pytest.mark.skipif(not ROWS, reason="no corpora: set FERRARIS_CORPORA")
def test_every_row_that_is_not_read_is_there():
    assert set(NOT_READ) <= {param.values[0]["name"] for param in ROWS}
