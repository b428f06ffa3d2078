"""What an association needs to know before it opens, and what both ends agreed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ferraris.data.axdr import length_octets
from ferraris.messaging.dlms.association.proofs import OwnMechanism
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.security.cipher_keys import CipherKeys
from ferraris.messaging.dlms.security.control import AUTHENTICATION
from ferraris.messaging.dlms.security.counters import CounterLease
from ferraris.messaging.dlms.security.forms import BY_SERVICE, NO_PAIRS, Form, KeyPairs, Shape

__all__ = [
    "FULL_CONFORMANCE",
    "SHORT_NAME_CONFORMANCE",
    "ClientParameters",
    "Negotiated",
    "ServerOffer",
]

MIN_MAX_PDU = 64  # a server refuses clients that take less [facts-g §3]
MIN_CHALLENGE, MAX_CHALLENGE = 8, 64  # octets [facts-g]

FULL_CONFORMANCE = int(
    Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
    | Conformance.ACCESS
)
"""What a client of this version proposes: every service that it can use."""

SHORT_NAME_CONFORMANCE = int(
    Conformance.READ
    | Conformance.WRITE
    | Conformance.UNCONFIRMED_WRITE
    | Conformance.BLOCK_TRANSFER_WITH_GET_OR_READ
    | Conformance.BLOCK_TRANSFER_WITH_SET_OR_WRITE
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.INFORMATION_REPORT
    | Conformance.PARAMETERIZED_ACCESS
)
"""The same for short names."""

_GENERAL_BLOCKS = int(Conformance.GENERAL_BLOCK_TRANSFER)


@dataclass(slots=True, frozen=True)
class Negotiated:
    """What governs an open association and the block transfer in it.

    Attributes:
        conformance: the 24 conformance bits both ends have.
        max_send: largest APDU the peer takes, in octets, less what envelopes add to it; 0 for no
            limit.
        max_receive: largest APDU this end takes.
        protected_octets: how long a plain APDU of so many octets is when this end has protected
            it; None when that is not known exactly.
    """

    conformance: int
    max_send: int
    max_receive: int
    protected_octets: Callable[[int], int] | None = field(default=None, compare=False, repr=False)

    def less(self, octets: int) -> Negotiated:
        """The same with so many octets less for what is sent, as envelopes take them."""
        if not octets or not self.max_send:
            return self
        return replace(self, max_send=max(1, self.max_send - octets))

    def has(self, service: Conformance) -> bool:
        """Whether `service` was negotiated."""
        return bool(self.conformance & int(service))

    @property
    def general_blocks(self) -> bool:
        """Whether long APDUs go by general block transfer, whatever else was negotiated."""
        return bool(self.conformance & _GENERAL_BLOCKS)


@dataclass(slots=True)
class ClientParameters:
    """How a client opens an association.

    Attributes:
        conformance: the services proposed; None for all that a client can use.
        short_names: use the application context in which objects go by short names.
        mechanism: last arc of the mechanism name: 0 none, 1 password, 2 to 7 HLS [asn1].
        secret: password, or the shared secret of HLS 3, 4 and 6.
        ciphered: use the application context with ciphering.
        control: security-control bits for what is sent: 0x10, 0x20 or 0x30, and `SIGNED`; 0
            without ciphering.
        minimum: bits that every answer must carry; None for those of `control`.
        general: protect by general-glo-ciphering instead of service-specific APDUs.
        shape: any other form; `general` overrules it.
        pairs: keys for signatures, for agreement and for wrapping; needed with HLS 7.
        own_mechanism: what answers challenges in HLS 2.
        entropy: source of fresh keys of messages.
        transaction_floor: highest transaction-id accepted from this server so far.
        transaction_offset: what our transaction-ids are above our counters.
        system_title: the client's, 8 octets; needed with ciphering and HLS 5 and 6.
        peer_system_title: the server's when known beforehand; learnt from the AARE otherwise.
        keys: cipher keys; needed with ciphering and HLS 5.
        lease: invocation counters for what is sent.
        receive_floor: highest counter accepted from this server so far.
        challenge: CtoS of HLS, 8 to 64 octets of fresh entropy.
        dedicated: source of entropy for a dedicated key, one for each association; None for none.
        pre_established: the association is open without being requested, as configured in the
            meter; conformance and `server_max_pdu` are then taken for granted.
        server_max_pdu: longest APDU a pre-established server takes, in octets.
        general_blocks: propose general block transfer; a `BlockTransferLayer` lies below.
        block_window: how many general blocks we take in one stream, 1 to 63.
        response_timeout_s: silence after which an exchange has failed.
        release_timeout_s: silence after which a release is given up.
        on_end: told the receive floor and the transaction floor when the association is over.
    """

    conformance: int | None = None
    max_pdu: int = 0xFFFF
    short_names: bool = False
    mechanism: int = 0
    secret: bytes = field(default=b"", repr=False)
    ciphered: bool = False
    control: int = 0
    minimum: int | None = None
    general: bool = False
    shape: Shape = BY_SERVICE
    pairs: KeyPairs = NO_PAIRS
    own_mechanism: OwnMechanism | None = field(default=None, repr=False)
    entropy: Callable[[int], bytes] | None = field(default=None, repr=False)
    transaction_floor: int = -1
    transaction_offset: int = 0
    system_title: bytes = b""
    peer_system_title: bytes = b""
    keys: CipherKeys | None = None
    lease: CounterLease | None = None
    receive_floor: int = -1
    challenge: bytes = field(default=b"", repr=False)
    dedicated: Callable[[int], bytes] | None = field(default=None, repr=False)
    pre_established: bool = False
    server_max_pdu: int = 1024
    response_timeout_s: float = 10.0
    release_timeout_s: float = 2.0
    general_blocks: bool = False
    block_window: int = 16
    on_end: Callable[[int, int], None] | None = field(default=None, repr=False)

    @property
    def tagged(self) -> bool:
        """Whether every APDU carries a tag, so that mixed blocks are no answer."""
        return self.ciphered and bool(self.control & AUTHENTICATION)

    @property
    def form(self) -> Shape:
        """The form of what is sent."""
        return self.shape._replace(form=Form.GENERAL) if self.general else self.shape

    def protected_octets(self, plain: int) -> int:
        """How long an APDU of `plain` octets is when it leaves [facts-g §9].

        Tag, our system title in the general form, length, security header, content and tag; not
        for envelopes and signatures, whose length is not known exactly.
        """
        if not self.ciphered:
            return plain
        content = 5 + plain + (12 if self.control & AUTHENTICATION else 0)
        title = 1 + len(self.system_title) if self.form.form is Form.GENERAL else 0
        return 1 + title + len(length_octets(content)) + content

    @property
    def services(self) -> int:
        """The services proposed, as the integer of the 24 conformance bits."""
        if self.conformance is not None:
            return self.conformance
        return SHORT_NAME_CONFORMANCE if self.short_names else FULL_CONFORMANCE


@dataclass(slots=True)
class ServerOffer:
    """What a server offers to one client address.

    Attributes are those of `ClientParameters` seen from the other end; `policy` holds the
    security-control bits that every request must carry, `answer_policy` those that every answer
    gets at least, `challenge_octets` the length of StoC.
    For a pre-established association `client_system_title` and `client_max_pdu` say what an AARQ
    would have said; without a title, the first general-glo-ciphered APDU that verifies tells it.
    `general_blocks` offers general block transfer beside `conformance`; on a line that is not
    `ordered` only to clients whose APDUs carry a tag, since a late block could enter the next
    transfer unseen.
    """

    conformance: int
    max_pdu: int = 1024
    mechanism: int = 0
    secret: bytes = field(default=b"", repr=False)
    ciphered: bool = False
    policy: int = 0
    answer_policy: int = 0
    pairs: KeyPairs = NO_PAIRS
    own_mechanism: OwnMechanism | None = field(default=None, repr=False)
    transaction_floor: int = -1
    transaction_offset: int = 0
    system_title: bytes = b""
    keys: CipherKeys | None = None
    lease: CounterLease | None = None
    receive_floor: int = -1
    challenge_octets: int = 16
    pre_established: bool = False
    client_system_title: bytes = b""
    client_max_pdu: int = 0xFFFF
    general_blocks: bool = False
    block_window: int = 16
    ordered: bool = True
    short_names: bool = False

    def services(self, control: int) -> int:
        """The conformance bits offered to a client with this security-control octet."""
        blocks = self.general_blocks and (self.ordered or bool(control & AUTHENTICATION))
        return self.conformance & ~_GENERAL_BLOCKS | blocks * _GENERAL_BLOCKS
