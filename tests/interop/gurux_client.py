"""Reads a meter with `gurux-dlms` and prints what it got as JSON: run as a black box.

The package writes messages of its own to standard output, so ours is the last line.
"""

from __future__ import annotations

import json
import socket
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from gurux_dlms import GXByteBuffer, GXDateTime, GXReplyData
from gurux_dlms.enums import Authentication, InterfaceType, Security
from gurux_dlms.objects import GXDLMSClock, GXDLMSData, GXDLMSProfileGeneric, GXDLMSRegister
from gurux_dlms.secure import GXDLMSSecureClient

WAYS = {
    "none": Authentication.NONE,
    "password": Authentication.LOW,
    "gmac": Authentication.HIGH_GMAC,
}


class Session:
    """One association over a plain socket."""

    def __init__(self, given: dict[str, Any]) -> None:
        password = given["password"].encode() if given["way"] == "password" else None
        self.client = GXDLMSSecureClient(
            not given["short"],
            given["client"],
            given["server"],
            WAYS[given["way"]],
            password,
            InterfaceType.HDLC if given["hdlc"] else InterfaceType.WRAPPER,
        )
        self.hdlc = given["hdlc"]
        self.names: dict[str, int] = {}
        for name, value in given.get("link", {}).items():  # what it proposes in its SNRM
            setattr(self.client.hdlcSettings, name, value)
        if given["way"] == "gmac":
            ciphering = self.client.ciphering
            ciphering.security = Security.AUTHENTICATION_ENCRYPTION
            ciphering.systemTitle = b"GRX00001"
            ciphering.blockCipherKey = bytes.fromhex(given["encryption_key"])
            ciphering.authenticationKey = bytes.fromhex(given["authentication_key"])
            ciphering.invocationCounter = given["counter"]
        self.socket = socket.create_connection((given["host"], given["port"]), 5)

    def open(self) -> None:
        reply = GXReplyData()
        if self.hdlc:
            self.exchange(self.client.snrmRequest(), reply)
            self.client.parseUAResponse(reply.data)
            reply.clear()
        self.exchange(self.client.aarqRequest(), reply)
        self.client.parseAareResponse(reply.data)
        reply.clear()
        if self.client.getAuthentication() > Authentication.LOW:
            self.exchange(self.client.getApplicationAssociationRequest(), reply)
            self.client.parseApplicationAssociationResponse(reply.data)
        if not self.client.useLogicalNameReferencing:
            reply.clear()
            self.exchange(self.client.getObjectsRequest(), reply)
            listed = self.client.parseObjects(reply.data, True)
            self.names = {each.logicalName: each.shortName for each in listed}

    def close(self) -> None:
        self.exchange(self.client.releaseRequest(), GXReplyData())
        if self.hdlc:
            self.exchange(self.client.disconnectRequest(), GXReplyData())
        self.socket.close()

    def exchange(self, requests: Any, reply: GXReplyData) -> None:
        """Send every part of a request and gather every block of the answer."""
        if not isinstance(requests, list):
            requests = [requests]
        for request in requests:
            reply.clear()
            self._one(request, reply)
            while reply.isMoreData():
                self._one(self.client.receiverReady(reply), reply)

    def _one(self, request: Any, reply: GXReplyData) -> None:
        self.socket.sendall(bytes(request))
        received = GXByteBuffer()
        notify = GXReplyData()
        while not self.client.getData(received, reply, notify):
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("the meter closed the connection")
            received.set(chunk)
        if reply.error:
            raise RuntimeError(f"refused: {reply.error}")

    def known(self, target: Any) -> Any:
        """The same object with its short name, where objects have one."""
        target.shortName = self.names.get(target.logicalName, 0)
        return target

    def read(self, target: Any, index: int) -> Any:
        self.known(target)
        reply = GXReplyData()
        self.exchange(self.client.read(target, index), reply)
        return self.client.updateValue(target, index, reply.value)


def run(given: dict[str, Any]) -> dict[str, Any]:
    session = Session(given)
    session.open()
    found: dict[str, Any] = {}
    for name in given["registers"]:
        dotted = ".".join(map(str, name))
        found[dotted] = int(session.read(GXDLMSRegister(dotted + ".255"), 2))
    name = GXDLMSData("0.0.42.0.0.255")
    found["name"] = bytes(session.read(name, 2)).hex()
    if "until" in given:
        found["rows"] = profile(session, given)
    if "clock" in given:
        clock = GXDLMSClock("0.0.1.0.0.255")
        clock.time = GXDateTime(datetime.fromtimestamp(given["clock"], UTC))
        session.exchange(session.client.write(session.known(clock), 2), GXReplyData())
        back = session.read(GXDLMSClock("0.0.1.0.0.255"), 2)
        found["clock"] = back.value.timestamp()
    if session.hdlc:
        limits = session.client.hdlcSettings
        found["link"] = {
            name: int(getattr(limits, name))
            for name in ("maxInfoRX", "maxInfoTX", "windowSizeRX", "windowSizeTX")
        }
    session.close()
    return found


def profile(session: Session, given: dict[str, Any]) -> list[list[Any]]:
    buffer = GXDLMSProfileGeneric("1.0.99.1.0.255")
    session.read(buffer, 3)
    until = datetime.fromtimestamp(given["until"], UTC)
    since = until - timedelta(seconds=given["span"] - 1)
    reply = GXReplyData()
    requests = session.client.readRowsByRange(buffer, GXDateTime(since), GXDateTime(until))
    session.exchange(requests, reply)
    session.client.updateValue(buffer, 2, reply.value)
    return [[row[0].value.timestamp(), *map(int, row[1:])] for row in buffer.buffer]


found = run(json.loads(sys.argv[1]))

print()
print(json.dumps(found))
