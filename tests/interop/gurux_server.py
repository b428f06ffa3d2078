"""A server of `gurux-dlms`, run as a black box: prints its port, then a JSON line a connection.

That line holds `wire`, what went over it ("< " before what came), and `errors`, what the package
raised within itself; it answers those with a hardware fault, or not at all. What it expects of its
user's classes and does not say - a reply that is set, callbacks without arguments - is supplied.
"""

from __future__ import annotations

import json
import socket
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from gurux_dlms import GXDateTime, GXServerReply
from gurux_dlms.enums import (
    AccessMode,
    Authentication,
    DataType,
    InterfaceType,
    MethodAccessMode,
    Security,
    SourceDiagnostic,
    Unit,
)
from gurux_dlms.objects import (
    GXDLMSAssociationLogicalName,
    GXDLMSCaptureObject,
    GXDLMSClock,
    GXDLMSData,
    GXDLMSProfileGeneric,
    GXDLMSRegister,
)
from gurux_dlms.objects.enums import ApplicationContextName
from gurux_dlms.secure import GXDLMSSecureServer

MIDNIGHT = datetime(2026, 11, 18, tzinfo=UTC)


class Reply(GXServerReply):
    """What the server fills in."""

    def setReply(self, value: Any) -> None:
        self.reply = value

    def getConnectionInfo(self) -> Any:
        return self.connectionInfo


def ignored(*_: Any) -> None:
    """For callbacks that have nothing to tell."""


class Server(GXDLMSSecureServer):
    """Lets everybody do everything; whoever proves the keys is let in."""

    onConnected = onDisconnected = onInvalidConnection = ignored
    onPreRead = onPostRead = onPreWrite = onPostWrite = ignored
    onPreAction = onPostAction = onPreGet = onPostGet = onFindObject = notifyRead = ignored

    def __init__(self, association: Any, errors: list[str]) -> None:
        super().__init__(association, InterfaceType.WRAPPER)
        self.errors = errors

    def isTarget(self, *_: Any) -> bool:
        return True

    def onGetAttributeAccess(self, *_: Any) -> AccessMode:
        return AccessMode.READ_WRITE

    def onGetMethodAccess(self, *_: Any) -> MethodAccessMode:
        return MethodAccessMode.ACCESS

    def onValidateAuthentication(self, *_: Any) -> SourceDiagnostic:
        return SourceDiagnostic.NONE

    def reportError(self, *arguments: Any) -> Any:
        error = sys.exc_info()[1]
        while error is not None and error.__context__ is not None:
            error = error.__context__
        self.errors.append(f"{type(error).__name__}: {error}")
        return super().reportError(*arguments)


def made(given: dict[str, Any], errors: list[str]) -> Server:
    association = GXDLMSAssociationLogicalName()
    association.clientSAP = given["client"]
    server = Server(association, errors)
    if "encryption_key" in given:
        association.authenticationMechanismName.mechanismId = Authentication.HIGH_GMAC
        context = ApplicationContextName.LOGICAL_NAME_WITH_CIPHERING
        association.applicationContextName.contextId = context
        ciphering = server.getCiphering()
        ciphering.security = Security.AUTHENTICATION_ENCRYPTION
        ciphering.systemTitle = b"GRXSERVR"
        ciphering.blockCipherKey = bytes.fromhex(given["encryption_key"])
        ciphering.authenticationKey = bytes.fromhex(given["authentication_key"])
        server.settings.cipher = ciphering  # it keeps it, and never looks there
    else:
        association.authenticationMechanismName.mechanismId = Authentication.NONE
    name = GXDLMSData("0.0.42.0.0.255")
    name.value = b"GRX0000000000001"
    name.setDataType(2, DataType.OCTET_STRING)
    energy = GXDLMSRegister("1.0.1.8.0.255")
    energy.value, energy.scaler, energy.unit = 123_456, 10, Unit.ACTIVE_ENERGY
    energy.setDataType(2, DataType.UINT32)
    clock = GXDLMSClock("0.0.1.0.0.255")
    profile = GXDLMSProfileGeneric("1.0.99.1.0.255")
    profile.capturePeriod, profile.sortObject = 900, clock
    profile.captureObjects += [(each, GXDLMSCaptureObject(2, 0)) for each in (clock, energy)]
    quarter = timedelta(minutes=15)
    profile.buffer = [[GXDateTime(MIDNIGHT + n * quarter), 1000 + n] for n in range(96)]
    profile.entriesInUse = profile.profileEntries = 96
    for each in (association, name, energy, clock, profile):
        server.items.append(each)
    association.objectList = server.items
    server.initialize()
    return server


def main() -> None:
    errors: list[str] = []
    server = made(json.loads(sys.argv[1]), errors)
    listener = socket.create_server(("127.0.0.1", 0))
    print()
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    line, _ = listener.accept()
    wire = []
    with line:
        server.reset()
        while data := line.recv(65536):
            wire.append("< " + data.hex())
            reply = Reply(data)
            try:
                server.handleRequest(reply)
            except Exception as error:  # noqa: BLE001 - told to whoever runs this
                errors.append(f"{type(error).__name__}: {error}")
                break
            if reply.reply:
                wire.append("> " + bytes(reply.reply).hex())
                line.sendall(bytes(reply.reply))
    print()
    print(json.dumps({"wire": wire, "errors": errors}))


main()
