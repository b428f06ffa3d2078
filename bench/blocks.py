"""One megabyte by general block transfer with a window of 16: both ends together.

First the engine alone, then a GET through two whole stacks - association, blocks, wrapper - plain
and ciphered, then the ciphered one over datagrams of which a fifth is lost, in virtual time.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ferraris.client import services
from ferraris.client.connecting import with_blocks
from ferraris.core.errors import LineError
from ferraris.core.layer import Deliver, Layer, Opened
from ferraris.core.stack import over
from ferraris.data import axdr
from ferraris.data.kinds import octet_string
from ferraris.line.virtual import Physics, VirtualLine, VirtualTime
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.association.parameters import FULL_CONFORMANCE, ClientParameters
from ferraris.messaging.dlms.block_transfer.transfer import BLOCK_HEADER_OCTETS, Transfer
from ferraris.messaging.dlms.general import decode_general_block_transfer
from ferraris.messaging.dlms.get import GetRequestNormal, GetResponseNormal
from ferraris.messaging.dlms.invoke import service_class
from ferraris.messaging.dlms.names import AttributeDescriptor
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.server.device import (
    READ,
    AccessRights,
    AssociationSettings,
    Credentials,
    ObjectEntry,
    ObjectRights,
)
from ferraris.server.service import server_stack
from ferraris.transport.profiles import TCP, UDP

MEGABYTE = bytes(range(256)) * 4096
VALUE = axdr.encode(octet_string(MEGABYTE))
NAME = AttributeDescriptor(1, bytes((0, 0, 96, 128, 0, 255)), 2)
KEY = (NAME.class_id, NAME.logical_name)
KEYS = CipherKeys(0, bytes(range(16)), bytes(range(16, 32)))
BLOCK = 1024
PLAIN, CIPHERED = 16, 1

OBJECTS = {KEY: ObjectEntry(KEY[0], 0, KEY[1])}
RIGHTS = AccessRights({KEY: ObjectRights({2: READ})})
ASSOCIATIONS = {
    client: AssociationSettings(
        client,
        bytes((0, 0, 40, 0, 1, 255)),
        ciphered=ciphered,
        policy=0x30 * ciphered,
        conformance=FULL_CONFORMANCE,
        rights=RIGHTS,
        general_blocks=True,
    )
    for client, ciphered in ((PLAIN, False), (CIPHERED, True))
}


def main() -> None:
    """Print milliseconds of processor time, best of five."""
    print(f"1 MB in general blocks, engine {min(once() for _ in range(5)):.1f} ms   (minimum 60)")
    for name, client in (("stacks", PLAIN), ("ciphered", CIPHERED)):
        best = min(stacks(client) for _ in range(5))
        print(f"1 MB in general blocks, {name:8} {best:.1f} ms   (minimum 60)")
    spent, blocks = lossy()
    print(f"  a fifth lost, ciphered, UDP  {spent:.1f} ms, {blocks} datagrams, every octet right")


def once() -> float:
    """Carry a megabyte; milliseconds of processor time."""
    before = time.process_time()
    client = Transfer(asks=True, window=16, block_octets=BLOCK)
    server = Transfer(asks=False, window=16, block_octets=BLOCK)
    client.begin(b"all of it")
    line: deque[bytes] = deque(client.stream())
    apdu = None
    speaker, listener = client, server
    while apdu is None or apdu == b"all of it":
        while line:
            found = listener.receive(decode_general_block_transfer(line.popleft()))
            apdu = found or apdu
            if found == b"all of it":
                listener.begin(MEGABYTE)
        if apdu is None or apdu == b"all of it":
            speaker, listener = listener, speaker
            line.extend(speaker.stream())
    assert apdu == MEGABYTE
    return (time.process_time() - before) * 1e3


class Device:
    """A logical device with one object, which holds a megabyte."""

    logical_device_name = b"BENCH"
    system_title = b"FRRbench"
    server_sap = 1
    transaction_offset = 0
    key_changes = 0
    objects = OBJECTS
    associations = ASSOCIATIONS

    def credentials(self, client_sap: int) -> Credentials:
        return Credentials(keys=KEYS if client_sap == CIPHERED else None)

    def counter_lease(self, client_sap: int) -> CounterLease:
        return CounterLease(1, 1 << 20)

    def receive_floor(self, client_sap: int) -> int:
        return -1

    def transaction_floor(self, client_sap: int) -> int:
        return -1

    def raise_transaction_floor(self, client_sap: int, transaction: int) -> None:
        pass

    def raise_receive_floor(self, client_sap: int, counter: int) -> None:
        pass

    def get(self, *asked: Any) -> bytes:
        return VALUE

    def set(self, *asked: Any) -> None:
        raise NotImplementedError

    def act(self, *asked: Any) -> bytes | None:
        raise NotImplementedError

    def incident(self, *what: Any) -> None:
        raise AssertionError(what)


def ends(
    client: int, profile: Any
) -> tuple[ClientAssociation, Layer[Apdu, Apdu, bytes], Layer[Any, Any, bytes]]:
    """A client's stack and a server's."""
    parameters = ClientParameters(
        max_pdu=BLOCK + BLOCK_HEADER_OCTETS, general_blocks=True, response_timeout_s=2.0
    )
    if client == CIPHERED:
        parameters.ciphered, parameters.control = True, 0x30
        parameters.keys, parameters.lease = KEYS, CounterLease(1, 1 << 20)
        parameters.system_title = b"FRRclien"
    association = ClientAssociation(parameters)
    active = over(association, with_blocks(association, profile.client_stack(client, 1)))
    device: Any = Device()
    find: Callable[[int], Any] = lambda server: device if server == 1 else None  # noqa: E731
    return association, active, server_stack(profile, find, entropy=os.urandom, utc=time.time)


def stacks(client: int) -> float:
    """One GET through two stacks that hand each other their octets; milliseconds."""
    _, active, passive = ends(client, TCP)
    passive.open(0.0)
    active.open(0.0)
    answer = None
    before = 0.0
    while answer is None:
        moved = False
        while (octets := active.transmit(0.0)) is not None:
            passive.receive(octets, 0.0)  # type: ignore[arg-type]
            moved = True
        while (octets := passive.transmit(0.0)) is not None:
            active.receive(octets, 0.0)  # type: ignore[arg-type]
            moved = True
        while (what := active.event()) is not None:
            if type(what) is Opened:
                before = time.process_time()
                active.send(GetRequestNormal(service_class(), NAME), 0.0)
                moved = True
            elif type(what) is Deliver:
                answer = what.unit
        assert moved or answer is not None
    assert isinstance(answer, GetResponseNormal)
    assert answer.data == VALUE
    return (time.process_time() - before) * 1e3


def lossy() -> tuple[float, int]:
    """The same over datagrams of which a fifth is lost; milliseconds, and how many there were."""
    moments = VirtualTime()
    association, active, passive = ends(CIPHERED, UDP)
    line = VirtualLine(moments, active, passive, seed=3)
    datagrams = 0
    carry = line.carry

    def counted(sender: Any, octets: bytes) -> float:
        nonlocal datagrams
        datagrams += 1
        return carry(sender, octets)

    line.carry = counted  # type: ignore[method-assign]

    async def session() -> bytes:
        await line.driver.open()
        assert association.negotiated is not None
        line.physics = Physics(loss=0.2)
        while True:
            try:
                return await services.get(line.driver, NAME)
            except LineError:  # the request itself, which is one datagram, or four tries
                continue

    before = time.process_time()
    assert moments.complete(session()) == VALUE
    return (time.process_time() - before) * 1e3, datagrams


if __name__ == "__main__":
    main()
