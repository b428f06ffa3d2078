"""Reads a meter with `dlms-cosem` and prints what it got as JSON: run as a black box."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import structlog

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

from dlms_cosem import cosem, io, security, utils  # noqa: E402
from dlms_cosem.client import DlmsClient  # noqa: E402
from dlms_cosem.cosem.capture_object import CaptureObject  # noqa: E402
from dlms_cosem.cosem.selective_access import RangeDescriptor  # noqa: E402
from dlms_cosem.enumerations import CosemInterface  # noqa: E402
from dlms_cosem.parsers import ProfileGenericBufferParser  # noqa: E402
from dlms_cosem.time import datetime_from_bytes, datetime_to_bytes  # noqa: E402

CLOCK = cosem.CosemAttribute(CosemInterface.CLOCK, cosem.Obis(0, 0, 1, 0, 0), 2)


class Watched(io.BlockingTcpIO):
    """A line that keeps what went over it: "> " before what was sent, "< " before what came."""

    wire: ClassVar[list[str]] = []

    def send(self, data: bytes) -> None:
        self.wire.append("> " + data.hex())
        super().send(data)

    def recv(self, amount: int = 1) -> bytes:
        came: bytes = super().recv(amount)
        self.wire.append("< " + came.hex())
        return came


def client_of(given: dict[str, Any]) -> DlmsClient:
    line = Watched(given["host"], given["port"], timeout=5)
    if given["hdlc"]:
        transport = io.HdlcTransport(given["client"], given["server"], line, timeout=5)
    else:
        transport = io.TcpTransport(given["client"], given["server"], line, timeout=5)
    if given["way"] == "none":
        return DlmsClient(transport, security.NoSecurityAuthentication(), timeout=5)
    if given["way"] == "password":
        way = security.LowLevelSecurityAuthentication(given["password"].encode())
        return DlmsClient(transport, way, timeout=5)
    if given["way"] == "own":
        way = security.HighLevelSecurityCommonAuthentication(given["password"].encode())
        return DlmsClient(transport, way, timeout=5)
    return DlmsClient(
        transport,
        security.HighLevelSecurityGmacAuthentication(challenge_length=32),
        security_suite=given.get("suite", 0),
        dedicated_ciphering="dedicated" in given,
        encryption_key=bytes.fromhex(given["encryption_key"]),
        authentication_key=bytes.fromhex(given["authentication_key"]),
        client_system_title=b"UTF00001",
        client_initial_invocation_counter=given["counter"],
        timeout=5,
    )


def attribute(interface: CosemInterface, name: list[int], index: int) -> cosem.CosemAttribute:
    return cosem.CosemAttribute(interface, cosem.Obis(*name), index)


def run(given: dict[str, Any]) -> dict[str, Any]:
    client = client_of(given)
    found: dict[str, Any] = {"wire": Watched.wire}
    with client.session() as session:
        for name in given["registers"]:
            data = session.get(attribute(CosemInterface.REGISTER, name, 2))
            found[".".join(map(str, name))] = utils.parse_as_dlms_data(data)
        name = attribute(CosemInterface.DATA, [0, 0, 42, 0, 0], 2)
        found["name"] = bytes(utils.parse_as_dlms_data(session.get(name))).hex()
        if "until" in given:
            found["rows"] = profile(session, given)
        if "clock" in given:
            wanted = datetime.fromtimestamp(given["clock"], UTC)
            session.set(CLOCK, b"\x09\x0c" + datetime_to_bytes(wanted))
            back, _ = datetime_from_bytes(bytes(utils.parse_as_dlms_data(session.get(CLOCK))))
            found["clock"] = back.timestamp()
    return found


def profile(session: DlmsClient, given: dict[str, Any]) -> list[list[Any]]:
    until = datetime.fromtimestamp(given["until"], UTC)
    selection = RangeDescriptor(
        CaptureObject(CLOCK, 0), until - timedelta(seconds=given["span"] - 1), until
    )
    buffer = attribute(CosemInterface.PROFILE_GENERIC, [1, 0, 99, 1, 0], 2)
    data = session.get(buffer, access_descriptor=selection)
    registers = [attribute(CosemInterface.REGISTER, [1, 0, c, 8, 0], 2) for c in (1, 2, 3, 4)]
    status = attribute(CosemInterface.DATA, [0, 0, 96, 10, 1], 2)
    parser = ProfileGenericBufferParser([CLOCK, status, *registers], 15)
    return [
        [row[0].value.timestamp(), *(column.value for column in row[1:])]
        for row in parser.parse_bytes(data)
    ]


print(json.dumps(run(json.loads(sys.argv[1]))))
