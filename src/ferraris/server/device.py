"""What a logical device is to the server engine: objects, associations, rights, and their values.

The engine (`dispatch`, `association_object`) holds nothing between two requests; all state lives in
the object that implements `LogicalDevice`. Tables of objects and rights are meant to be shared by
all devices of one kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeGuard, TypeVar, runtime_checkable

from ferraris.core.errors import RefusedError
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.security.control import SIGNED
from ferraris.messaging.dlms.security.forms import NO_PAIRS, KeyPairs
from ferraris.messaging.dlms.security.hls import check_strength
from ferraris.messaging.dlms.security.policy import Policy

if TYPE_CHECKING:
    from ferraris.messaging.dlms.association.proofs import OwnMechanism
    from ferraris.messaging.dlms.association.server import Incident
    from ferraris.messaging.dlms.names import Selection
    from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
    from ferraris.messaging.dlms.security.counters import CounterLease
    from ferraris.model.interface_class import InterfaceClass

__all__ = [
    "NO_RIGHTS",
    "READ",
    "READ_WRITE",
    "SIGNED",
    "WRITE",
    "Access",
    "AccessMode",
    "AccessRefused",
    "AccessRights",
    "ActionRefused",
    "AssociationSettings",
    "Credentials",
    "GuardedDevice",
    "Intermittent",
    "LogicalDevice",
    "ObjectEntry",
    "ObjectKey",
    "ObjectRights",
    "PhysicalDevice",
    "RequestContext",
    "offers",
]

ObjectKey = tuple[int, bytes]
"""Class identifier and six-octet logical name: what an xDLMS request names an object by."""


class AccessMode(IntFlag):
    """Rights to one attribute or method, as the bits of Association LN version 3 [facts-g].

    For a method `READ` means that it may be invoked. The older versions of the association class
    see these bits folded into their enumeration (`association_object`).
    """

    NONE = 0
    READ = 1
    WRITE = 2
    AUTHENTICATED_REQUEST = 4
    ENCRYPTED_REQUEST = 8
    SIGNED_REQUEST = 16
    AUTHENTICATED_RESPONSE = 32
    ENCRYPTED_RESPONSE = 64
    SIGNED_RESPONSE = 128


READ = AccessMode.READ
WRITE = AccessMode.WRITE
READ_WRITE = AccessMode.READ | AccessMode.WRITE


class AccessRefused(RefusedError):  # noqa: N818 - a refusal is an answer, not a fault
    """A GET or SET that the device declines; `result` is what the client is told."""

    def __init__(self, result: DataAccessResult, message: str = "") -> None:
        super().__init__(message or result.name.lower().replace("_", " "), reason=result)
        self.result = result


class ActionRefused(RefusedError):  # noqa: N818 - a refusal is an answer, not a fault
    """An ACTION that the device declines; `result` is what the client is told."""

    def __init__(self, result: ActionResult, message: str = "") -> None:
        super().__init__(message or result.name.lower().replace("_", " "), reason=result)
        self.result = result


@dataclass(frozen=True, slots=True, eq=False)
class ObjectEntry:
    """One object of a logical device.

    `declaration` is the interface class with exactly this class identifier and version, or None
    for a class that the model does not declare: such an object is served without type checks.
    `base_name` is its short name, 0..65535, None where it has none.
    """

    class_id: int
    version: int
    logical_name: bytes
    declaration: type[InterfaceClass] | None = None
    base_name: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ObjectRights:
    """What one association may do with one object.

    `attributes` and `methods` map an index to its mode, absent meaning no access; an attribute 1
    left out may be read. `selectors` maps an attribute to the access selectors it offers.
    """

    attributes: Mapping[int, int] = field(default_factory=dict)
    methods: Mapping[int, int] = field(default_factory=dict)
    selectors: Mapping[int, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class AccessRights:
    """What one association sees: only objects listed here exist for its client.

    Compared by identity. What the engine works out from it (answers to "may this be read?", the
    encoded object list) is kept in it once for all devices that share it, so it must not change
    after its first use and best goes with one table of objects. `demanding` tells whether any right
    demands a protected answer.
    """

    objects: Mapping[ObjectKey, ObjectRights] = field(default_factory=dict)
    demanding: bool = field(default=False, init=False)
    readable: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    composed: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    prompt: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        modes = (
            mode
            for rights in self.objects.values()
            for mode in (*rights.attributes.values(), *rights.methods.values())
        )
        object.__setattr__(self, "demanding", any(int(mode) & _RESPONSES for mode in modes))


_RESPONSES = int(
    AccessMode.AUTHENTICATED_RESPONSE | AccessMode.ENCRYPTED_RESPONSE | AccessMode.SIGNED_RESPONSE
)

NO_RIGHTS = AccessRights()


@dataclass(frozen=True, slots=True, eq=False)
class AssociationSettings:
    """One association that a logical device offers, the same for every device of its kind.

    Attributes:
        client_sap: address of the client that may open it, 0..127.
        name: logical name of its Association LN object, such as that of 0-0:40.0.1*255.
        mechanism: authentication mechanism, the last arc of its name: 0 none, 1 password,
            3, 4, 6 HLS with a digest, 5 with GMAC, 7 with ECDSA, 2 with a maker's own [asn1].
        short_names: whether objects go by their base names; their rights then list an Association
            SN for the current association.
        ciphered: whether the application context is the one with ciphering.
        conformance: the services offered, as the integer of the 24 conformance bits.
        max_pdu: largest APDU the server takes, in octets.
        policy: security-control bits that every request of this association must carry
            (0x10 authenticated, 0x20 encrypted, and `SIGNED`).
        answer_policy: those that every answer gets at least, beside those of its request.
        rights: what the client sees and may do.
        security_setup: logical name of the security set-up object, or b"" when there is none.
        challenge_octets: length of the challenge the server sends in HLS, 8..64.
        max_list: most entries that one with-list request may have.
        pre_established: whether the association is open from the start, without an AARQ; no
            password then, and no HLS.
        client_system_title, client_max_pdu: what the AARQ of a pre-established association would
            have said; without a title the first general-glo-ciphered APDU that verifies tells it.
        general_blocks: whether general block transfer is offered beside `conformance`; on a line
            that does not keep the order only to clients whose APDUs carry a tag.
        block_window: how many general blocks the server takes in one stream, 1 to 63.
        weak: offer mechanism 3 or 4, which is a `UsageError` otherwise.
    """

    client_sap: int
    name: bytes
    mechanism: int = 0
    ciphered: bool = False
    conformance: int = 0
    max_pdu: int = 1024
    policy: int = 0
    answer_policy: int = 0
    rights: AccessRights = NO_RIGHTS
    security_setup: bytes = b""
    challenge_octets: int = 16
    max_list: int = 64
    pre_established: bool = False
    client_system_title: bytes = b""
    client_max_pdu: int = 0xFFFF
    general_blocks: bool = False
    block_window: int = 16
    short_names: bool = False
    weak: bool = False

    def __post_init__(self) -> None:
        check_strength(self.mechanism, weak=self.weak)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """The secrets one client shares with a device: password or HLS secret, and cipher keys.

    `pairs` holds the device's private keys and the client's public ones, `own_mechanism` what
    answers challenges in HLS 2. `policy` takes the place of that of the settings.
    """

    secret: bytes = b""
    keys: CipherKeys | None = None
    pairs: KeyPairs = NO_PAIRS
    own_mechanism: OwnMechanism | None = None
    policy: Policy | None = None

    def __repr__(self) -> str:
        return f"Credentials(secret={'***' if self.secret else None}, keys={self.keys!r})"


class RequestContext(NamedTuple):
    """What is known about one request besides its octets.

    Attributes:
        client_sap: address of the client.
        protection: security-control bits under which the request came (0x10 authenticated,
            0x20 encrypted; 0 for a plain one), and `SIGNED` for one that was signed.
        now: coordinated universal time in seconds since 1970.
        conformance: the 24 conformance bits negotiated, or None for those of the settings.
        max_send_pdu: largest APDU the client takes in octets, 0 for no limit.
        client_system_title: the client's system title, or b"".
        can_protect: security-control bits that the answer may be given, 0 in a plain association.
    """

    client_sap: int
    protection: int = 0
    now: float = 0.0
    conformance: int | None = None
    max_send_pdu: int = 0
    client_system_title: bytes = b""
    can_protect: int = 0


class LogicalDevice(Protocol):
    """A logical device as the server engine sees it; a simulated or real product implements it.

    The engine has checked object, class, rights and, where the class is declared, the type of the
    data before it calls `get`, `set` or `act`. Reading attribute 1 of any object, an Association
    LN or SN or the SAP assignment never reaches the device; writing to them and their methods do,
    except the reply of the HLS handshake and what an Association SN answers from its lists.
    """

    @property
    def logical_device_name(self) -> bytes:
        """Logical device name, up to 16 octets."""

    @property
    def system_title(self) -> bytes:
        """System title, 8 octets."""

    @property
    def server_sap(self) -> int:
        """Address of this logical device."""

    @property
    def objects(self) -> Mapping[ObjectKey, ObjectEntry]:
        """Every object, by class and logical name; meant to be shared between devices."""

    @property
    def associations(self) -> Mapping[int, AssociationSettings]:
        """The associations offered, by client address; meant to be shared between devices."""

    def credentials(self, client_sap: int) -> Credentials:
        """The secrets shared with a client; empty ones when there are none."""

    def counter_lease(self, client_sap: int) -> CounterLease:
        """The invocation counters left for APDUs protected towards a client."""

    def receive_floor(self, client_sap: int) -> int:
        """The highest invocation counter accepted from a client so far, -1 for none."""

    def raise_receive_floor(self, client_sap: int, counter: int) -> None:
        """Keep the invocation counter of an APDU from a client whose tag verified."""

    def transaction_floor(self, client_sap: int) -> int:
        """The highest transaction-id accepted in an envelope of a client so far, -1 for none."""

    def raise_transaction_floor(self, client_sap: int, number: int) -> None:
        """Keep the transaction-id of an envelope from a client that verified."""

    @property
    def transaction_offset(self) -> int:
        """What the device's transaction-ids are above its counters, which began anew with a key."""

    @property
    def key_changes(self) -> int:
        """How often keys or policies have been replaced: associations look again when it rises."""

    def get(
        self,
        entry: ObjectEntry,
        attribute: int,
        selection: Selection | None,
        context: RequestContext,
    ) -> bytes:
        """The encoded data of an attribute; raises `AccessRefused`."""

    def set(
        self,
        entry: ObjectEntry,
        attribute: int,
        data: bytes,
        selection: Selection | None,
        context: RequestContext,
    ) -> None:
        """Write the encoded data to an attribute; raises `AccessRefused`."""

    def act(
        self, entry: ObjectEntry, method: int, data: bytes | None, context: RequestContext
    ) -> bytes | None:
        """Invoke a method; returns encoded data or None; raises `ActionRefused`."""

    def incident(self, incident: Incident, client_sap: int, now: float) -> None:
        """Take note of a failed authentication or a forged or replayed APDU."""


class Access(NamedTuple):
    """On what, and in whose name, a request is carried out."""

    device: LogicalDevice
    association: AssociationSettings
    context: RequestContext


P = TypeVar("P")
_OFFERED: dict[tuple[type, type], bool] = {}


def offers(device: LogicalDevice, what: type[P]) -> TypeGuard[P]:
    """Whether a device adds what a protocol below says; all devices of a type do, or none.

    Asking the protocol itself takes as long as a whole request.
    """
    key = (type(device), what)
    found = _OFFERED.get(key)
    if found is None:
        found = _OFFERED[key] = isinstance(device, what)
    return found


@runtime_checkable
class Intermittent(Protocol):
    """What a logical device adds that is not always there."""

    @property
    def restarts(self) -> int:
        """How often it began anew: associations from before are forgotten."""

    def is_reachable(self, now: float) -> bool:
        """Whether it answers at `now`, UTC seconds since 1970; otherwise it hears nothing."""


@runtime_checkable
class GuardedDevice(Protocol):
    """What a logical device adds that locks its port after failed attempts."""

    def refuses(self, client_sap: int, now: float) -> bool:
        """Whether a client may not associate at present, whatever it knows."""

    def admitted(self, client_sap: int, now: float) -> None:
        """Take note that a client has proved who it is: its first request was let through."""


@runtime_checkable
class PhysicalDevice(Protocol):
    """What a logical device adds that knows its siblings."""

    @property
    def sap_assignment(self) -> Sequence[tuple[int, bytes]]:
        """Address and logical device name of every logical device in the same housing."""
