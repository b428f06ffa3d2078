"""Reads a meter with `gurux-dlms` and prints what it got as JSON: run as a black box.

The package writes messages of its own to standard output, so ours is the last line. `wire` in it
holds what went over the line, "> " before what was sent and "< " before what came, also when it
ends with an error, which is then told as `error`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

from gurux_dlms import GXByteBuffer, GXDateTime, GXReplyData
from gurux_dlms.ecdsa import GXPrivateKey, GXPublicKey
from gurux_dlms.enums import Authentication, Conformance, InterfaceType, Security
from gurux_dlms.objects import (
    GXDLMSClock,
    GXDLMSData,
    GXDLMSImageTransfer,
    GXDLMSObject,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)
from gurux_dlms.objects.enums import SecuritySuite
from gurux_dlms.secure import GXDLMSSecureClient

WAYS = {
    "none": Authentication.NONE,
    "password": Authentication.LOW,
    "own": Authentication.HIGH,
    "md5": Authentication.HIGH_MD5,
    "sha1": Authentication.HIGH_SHA1,
    "gmac": Authentication.HIGH_GMAC,
    "sha256": Authentication.HIGH_SHA256,
    "ecdsa": Authentication.HIGH_ECDSA,
}
BY_SECRET = ("password", "own", "md5", "sha1", "sha256")
TITLE = b"GRX00001"


class Session:
    """One association over a plain socket."""

    def __init__(self, given: dict[str, Any], wire: list[str]) -> None:
        self.wire = wire
        password = given["password"].encode() if given["way"] in BY_SECRET else None
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
        ciphering = self.client.ciphering
        ciphering.systemTitle = TITLE
        if given["ciphered"]:
            self.cipher(given)
        patience_s = given.get("patience_s", 5)
        self.socket = socket.create_connection((given["host"], given["port"]), patience_s)

    def cipher(self, given: dict[str, Any]) -> None:
        ciphering = self.client.ciphering
        ciphering.security = Security[given.get("protection", "AUTHENTICATION_ENCRYPTION")]
        ciphering.blockCipherKey = bytes.fromhex(given["encryption_key"])
        ciphering.authenticationKey = bytes.fromhex(given["authentication_key"])
        ciphering.invocationCounter = given["counter"]
        if not given.get("general", True):  # proposed by default, and used when agreed on
            self.client.proposedConformance &= ~Conformance.GENERAL_PROTECTION
        if given.get("dedicated"):
            ciphering.dedicatedKey = bytes.fromhex(given["dedicated"])
        if "suite" in given:
            ciphering.securitySuite = SecuritySuite(given["suite"])
            pairs = {
                use: (
                    GXPublicKey.fromRawBytes(b"\x04" + bytes.fromhex(given["meter_" + use])),
                    GXPrivateKey.fromRawBytes(bytes.fromhex(given["client_" + use])),
                )
                for use in ("signing", "agreement")
            }
            ciphering.signingKeyPair = pairs["signing"]
            ciphering.keyAgreementKeyPair = pairs["agreement"]

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
        self.wire.append("> " + bytes(request).hex())
        received = GXByteBuffer()
        notify = GXReplyData()
        while not self.client.getData(received, reply, notify):
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("the meter closed the connection")
            received.set(chunk)
            self.wire.append("< " + chunk.hex())
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


def run(given: dict[str, Any], found: dict[str, Any]) -> None:
    session = Session(given, found.setdefault("wire", []))
    session.open()
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
    if "action" in given:
        clock = session.known(GXDLMSClock("0.0.1.0.0.255"))
        session.exchange(clock.adjustToQuarter(session.client), GXReplyData())
        found["quarter"] = session.read(clock, 2).value.timestamp()
    if given.get("browse"):
        found["browsed"] = browse(session)
    if "image" in given:
        found["image"] = transfer(session, bytes.fromhex(given["image"]))
    if session.hdlc:
        limits = session.client.hdlcSettings
        found["link"] = {
            name: int(getattr(limits, name))
            for name in ("maxInfoRX", "maxInfoTX", "windowSizeRX", "windowSizeTX")
        }
    session.close()


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


def browse(session: Session) -> list[list[Any]]:
    """Every attribute but long buffers: class, name, index and "", a refusal or what went wrong.

    Of classes that it does not know it lists the objects alone.
    """
    reply = GXReplyData()
    session.exchange(session.client.getObjectsRequest(), reply)
    told: list[list[Any]] = []
    for each in session.client.parseObjects(reply.data, False):
        told.append([int(each.objectType), each.logicalName, 1, ""])  # it was listed
        count = 0 if type(each) is GXDLMSObject else each.getAttributeCount()
        for index in range(2, count + 1):
            if isinstance(each, GXDLMSProfileGeneric) and index == 2:
                continue
            outcome = ""
            answer = GXReplyData()
            try:
                session.exchange(session.client.read(each, index), answer)
                session.client.updateValue(each, index, answer.value)
            except RuntimeError as error:
                outcome = str(error)
            except Exception as error:  # noqa: BLE001 - it does not understand the value
                outcome = type(error).__name__
            told.append([int(each.objectType), each.logicalName, index, outcome])
    return told


def transfer(session: Session, image: bytes) -> dict[str, Any]:
    """All steps of an image transfer; a verification that goes on is waited for."""
    target, client = GXDLMSImageTransfer("0.0.44.0.0.255"), session.client
    for index in (5, 2):
        session.read(target, index)
    session.exchange(target.imageTransferInitiate(client, "R2", len(image)), GXReplyData())
    for block in target.imageBlockTransfer(client, image, None):
        session.exchange(block, GXReplyData())
    missing = session.read(target, 4)
    with contextlib.suppress(RuntimeError):  # temporary failure: look at the status
        session.exchange(target.imageVerify(client), GXReplyData())
    while int(session.read(target, 6)) == 2:
        time.sleep(0.1)
    session.read(target, 7)
    (info,) = target.imageActivateInfo
    session.exchange(target.imageActivate(client), GXReplyData())
    return {
        "missing": int(missing),
        "size": info.size,
        "identification": bytes(info.identification).decode(),
        "signature": bytes(info.signature).hex(),
        "status": int(session.read(target, 6)),
    }


found: dict[str, Any] = {}
try:
    run(json.loads(sys.argv[1]), found)
except Exception as error:  # noqa: BLE001 - told to whoever runs this
    found["error"] = f"{type(error).__name__}: {error}"
    traceback.print_exc()

print()
print(json.dumps(found))
sys.exit("error" in found)
