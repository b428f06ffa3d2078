"""From the APDU of a sender to a `Push`: blocks joined, protection off, policy kept, body decoded.

No clock and no line: `listening` feeds it. Whatever comes, `take` answers with values and never
raises for the octets of a peer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from datetime import tzinfo

from ferraris.client.push import (
    NO_PROTECTION,
    Notification,
    Protection,
    Push,
    PushFailed,
    body_of,
)
from ferraris.client.push_blocks import PushBlocks
from ferraris.client.push_envelopes import Envelope, receipt_control
from ferraris.client.push_keys import PushKeys, Senders, anonymous_title, lookup, unknown_sender
from ferraris.client.push_shapes import ShapedBody, Shapes
from ferraris.client.pushed import PushedList
from ferraris.core.errors import DecodeError, Error, SecurityError, SequenceError
from ferraris.data.kinds import Data
from ferraris.messaging.dlms.apdu import decode, tag_name
from ferraris.messaging.dlms.general import (
    GeneralBlockTransfer,
    GeneralGlo,
    decode_general_block_transfer,
    decode_general_glo,
    decode_service_ciphered,
)
from ferraris.messaging.dlms.notify import (
    DataNotification,
    DataNotificationConfirm,
    decode_data_notification,
    decode_event_notification,
)
from ferraris.messaging.dlms.security.cipher_keys import SYSTEM_TITLE_OCTETS
from ferraris.messaging.dlms.security.control import (
    AUTHENTICATION,
    ENCRYPTION,
    KEY_SET,
    SIGNED,
    SUITE_MASK,
)
from ferraris.messaging.dlms.security.counters import ReplayError
from ferraris.messaging.dlms.security.envelopes import EnvelopeOpener
from ferraris.messaging.dlms.security.protection import Opened, Opener, Sealer
from ferraris.messaging.dlms.short_name import decode_information_report
from ferraris.messaging.dlms.tags import GLOBAL, ApduTag
from ferraris.transport.addresses import Addresses

__all__ = ["OnFloor", "OnTransaction", "PushReceiver"]

OnFloor = Callable[[bytes, int, bool], None]
"""Called with system title, counter and whether it is the broadcast key's, before a push is
handed on: whoever keeps it across restarts refuses replays across restarts."""

OnTransaction = Callable[[bytes, int], None]
"""Called with system title and transaction-id of a push in general-signing or general-ciphering."""

_WHERE = "push"
_TAG_OCTETS = 12
_HEADER_OCTETS = 5
_GENERAL_GLO = int(ApduTag.GENERAL_GLO_CIPHERING)  # plain numbers compare faster
_PLAIN_TAGS = frozenset(
    (
        int(ApduTag.DATA_NOTIFICATION),
        int(ApduTag.EVENT_NOTIFICATION_REQUEST),
        int(ApduTag.INFORMATION_REPORT_REQUEST),
    )
)
_GLOBAL_TAGS = frozenset(GLOBAL.values())
_REMEMBERED = 64
_MOST_UNPROVEN = 4096


class PushReceiver:
    """Takes APDUs of many senders.

    Arguments:
        keys: of the senders, see `listen`.
        plain: whether unprotected pushes are taken; by default only when there are no keys.
        lists: push object lists by system title, None for all others.
        zone: for clocks that do not tell theirs.
        on_floor: hears of every counter that is spent.
        on_transaction: hears of every transaction-id that is spent.
    """

    def __init__(
        self,
        keys: Senders | None = None,
        *,
        plain: bool | None = None,
        lists: Callable[[bytes], PushedList | None] | None = None,
        zone: tzinfo | None = None,
        on_floor: OnFloor | None = None,
        on_transaction: OnTransaction | None = None,
    ) -> None:
        self._keys_of = lookup(keys)
        self._anonymous = anonymous_title(keys)
        self._plain = keys is None if plain is None else plain
        self._lists = lists
        self._zone = zone
        self._on_floor = on_floor
        self._on_transaction = on_transaction
        self._blocks = PushBlocks()
        self._shapes = Shapes()
        self._proven: dict[bytes, _Sender] = {}
        self._unproven: OrderedDict[bytes, _Sender] = OrderedDict()

    def take(
        self, octets: bytes, peer: str, addresses: Addresses | None = None
    ) -> list[Push | PushFailed]:
        """What one APDU tells: a push, a failure, both or, inside a block transfer, nothing."""
        unit = _Unit(peer, addresses, octets)
        try:
            if octets[:1] == b"\xe0":
                return self._take_block(unit)
            return [self._read(unit)]
        except Error as error:
            return [unit.failed(error)]

    def forget(self, title: bytes) -> None:
        """Ask for the keys of this sender anew when it comes again, as after a change of them.

        The floors go with them: whoever gives the keys again gives the floors as well.
        """
        self._proven.pop(title, None)
        self._unproven.pop(title, None)

    def confirmation(self, push: Push) -> bytes | None:
        """The receipt that the sender asked for, protected where its keys have counters for it."""
        apdu = push.apdu
        if not isinstance(apdu, DataNotification) or not apdu.wants_receipt:
            return None
        octets = DataNotificationConfirm(apdu.long_invoke_id_and_priority).to_octets()
        sender = self._proven.get(push.system_title)
        if sender is None or sender.keys.lease is None:
            return octets
        if sender.sealer is None:
            keys = sender.keys
            assert keys.lease is not None
            suite = receipt_control(push.protection.control) & SUITE_MASK
            sealer = Sealer(keys.cipher_keys(suite), keys.client_system_title, keys.lease)
            sender.sealer = sealer
        control = receipt_control(push.protection.control)
        title = sender.keys.client_system_title
        return GeneralGlo(title, sender.sealer.seal(octets, control)).to_octets()

    # -- one APDU ---------------------------------------------------------------------------

    def _take_block(self, unit: _Unit) -> list[Push | PushFailed]:
        sender: Hashable = (unit.peer, unit.addresses)
        block: GeneralBlockTransfer = decode_general_block_transfer(unit.octets)
        found: list[Push | PushFailed] = []
        if block.block_number == 1 and self._blocks.began(sender):
            lost = SequenceError("a push broke off: the next one begins", where=_WHERE)
            found.append(unit.failed(lost))
        try:
            whole = self._blocks.add(sender, block)
            if whole is not None:
                if whole[:1] == b"\xe0":
                    raise DecodeError("blocks inside blocks", where=_WHERE, octets=whole)
                unit.octets = whole
                found.append(self._read(unit))
        except Error as error:
            found.append(unit.failed(error))
        return found

    def _read(self, unit: _Unit) -> Push:
        octets = unit.octets
        if not octets:
            raise DecodeError("no octets", where=_WHERE)
        tag = octets[0]
        if tag == _GENERAL_GLO:
            glo = decode_general_glo(octets)
            return self._open(unit, glo.system_title, glo.content)
        if tag in _PLAIN_TAGS:
            if not self._plain:
                raise SecurityError("an unprotected push: the policy asks for more", where=_WHERE)
            return self._push(unit, self._notification(octets, b"", unit.peer), NO_PROTECTION)
        if tag in _GLOBAL_TAGS:
            return self._open(unit, b"", decode_service_ciphered(octets).content)
        if tag in (ApduTag.GENERAL_CIPHERING, ApduTag.GENERAL_SIGNING):
            return self._open_general(unit)
        decode(octets)  # says what is wrong, when it is no APDU
        raise SequenceError(f"{tag_name(tag)} is no push", where=_WHERE)

    def _open_general(self, unit: _Unit) -> Push:
        """General-ciphering and general-signing: envelopes that name their ends."""
        envelope = Envelope.of(unit.octets)
        unit.title = title = envelope.title or self._anonymous
        sender = self._sender(title, envelope.control)
        unit.title = sender.title
        if sender.envelopes is None:
            sender.envelopes = sender.envelope_opener(envelope.control)
        opened = envelope.opened(sender.envelopes, sender.opener, sender.keys)
        control = opened.control
        proven = bool(control & (AUTHENTICATION | SIGNED))
        if not proven:
            return self._taken_unproven(unit, sender, opened)
        self._spend(sender, control, counted=bool(control & AUTHENTICATION))
        if self._on_transaction is not None:
            self._on_transaction(sender.title, sender.envelopes.transaction_floor)
        found = self._notification(opened.plain, sender.title, sender.title)
        encrypted, signed = bool(control & ENCRYPTION), bool(control & SIGNED)
        counter = None if opened.counter < 0 else opened.counter
        return self._push(unit, found, Protection(control, counter, True, encrypted, signed))

    def _open(self, unit: _Unit, title: bytes, content: bytes) -> Push:
        if title and len(title) != SYSTEM_TITLE_OCTETS:
            raise DecodeError(
                f"a system title has 8 octets, not {len(title)}", where=_WHERE, octets=title
            )
        unit.title = title = title or self._anonymous
        if len(content) < _HEADER_OCTETS:
            raise DecodeError("a security header has 5 octets", where=_WHERE, octets=content)
        control = content[0]
        sender = self._proven.get(title) or self._sender(title, control)
        unit.title = sender.title
        if control & AUTHENTICATION and sender.keys.authentication_key is not None:
            opened = sender.opener.open(content)
            if self._on_floor is not None or title not in self._proven:
                self._spend(sender, control)
            found = self._notification(opened.plain, sender.title, sender.title)
            encrypted = bool(control & ENCRYPTION)
            return self._push(unit, found, Protection(control, opened.counter, True, encrypted))
        return self._open_unproven(unit, sender, content)

    def _open_unproven(self, unit: _Unit, sender: _Sender, content: bytes) -> Push:
        """Encrypted, and nothing proves by whom: what comes out must at least be a push."""
        control = content[0]
        if control & AUTHENTICATION:  # a tag that we cannot verify, for want of the key
            if len(content) < _HEADER_OCTETS + _TAG_OCTETS:
                raise DecodeError("no room for a tag", where=_WHERE, offset=len(content))
            content = bytes((control & ~AUTHENTICATION,)) + content[1:-_TAG_OCTETS]
        opened = sender.opener.open(content)
        return self._taken_unproven(unit, sender, opened._replace(control=control))

    def _taken_unproven(self, unit: _Unit, sender: _Sender, opened: Opened) -> Push:
        try:
            found = self._notification(opened.plain, sender.title, sender.title)
        except Error:
            message = "what comes out of the encryption is no push: wrong key, or damaged"
            raise SecurityError(message, where=_WHERE) from None
        if opened.counter in sender.recent:
            message = f"counter {opened.counter} came before"
            raise ReplayError(message, lowest=opened.counter + 1, where=_WHERE)
        sender.recent.append(opened.counter)
        self._remember(sender)
        encrypted = bool(opened.control & ENCRYPTION)
        how = Protection(opened.control, opened.counter, False, encrypted)
        return self._push(unit, found, how)

    def _push(self, unit: _Unit, found: _Notified, how: Protection) -> Push:
        apdu, body, known = found
        return Push(
            unit.peer,
            unit.addresses,
            unit.title,
            apdu=apdu,
            body=body,
            protection=how,
            raw=unit.octets,
            known=known,
            zone=self._zone,
        )

    def _notification(self, octets: bytes, title: bytes, sender: bytes | str) -> _Notified:
        """A notification and all of its body; `DecodeError`, `SequenceError` for others."""
        known = None if self._lists is None else self._lists(title)
        tag = octets[:1]
        if tag == b"\x0f":
            notification = decode_data_notification(octets)
            body = notification.body
            shaped = self._shapes.find(sender, body, known)
            if shaped is not None:
                return notification, shaped, known
            data = body_of(notification)
            self._shapes.learn(sender, body, known)
            return notification, data, known
        if tag == b"\xc2":
            event = decode_event_notification(octets)
            return event, body_of(event), known
        if tag == b"\x18":
            report = decode_information_report(octets)
            return report, body_of(report), known
        decode(octets)
        raise SequenceError(f"{tag_name(octets[0])} is no push", where=_WHERE)

    # -- senders ----------------------------------------------------------------------------

    def _sender(self, title: bytes, control: int) -> _Sender:
        return self._proven.get(title) or self._unproven.get(title) or self._meet(title, control)

    def _meet(self, title: bytes, control: int) -> _Sender:
        """The state of a sender not heard before; kept once it has proven something."""
        keys = self._keys_of(title)
        if keys is None:
            raise unknown_sender(title)
        title = title or keys.system_title
        if not title:
            raise unknown_sender(title)
        opener = Opener(
            keys.cipher_keys(control & SUITE_MASK),
            title,
            keys.floor,
            minimum=keys.minimum,
            broadcast_floor=keys.broadcast_floor,
        )
        return _Sender(title, keys, opener, deque(maxlen=_REMEMBERED))

    def _spend(self, sender: _Sender, control: int, *, counted: bool = True) -> None:
        """A tag or a signature verified: keep the sender and tell of its counter."""
        self._proven.setdefault(sender.title, sender)
        if counted and self._on_floor is not None:
            opener, broadcast = sender.opener, bool(control & KEY_SET)
            floor = opener.broadcast_floor if broadcast else opener.floor
            self._on_floor(sender.title, floor, broadcast)

    def _remember(self, sender: _Sender) -> None:
        if sender.title in self._proven:
            return
        self._unproven[sender.title] = sender
        self._unproven.move_to_end(sender.title)
        if len(self._unproven) > _MOST_UNPROVEN:
            self._unproven.popitem(last=False)


class _Sender:
    """Keys and counters of one system title."""

    __slots__ = ("envelopes", "keys", "opener", "recent", "sealer", "title")

    def __init__(self, title: bytes, keys: PushKeys, opener: Opener, recent: deque[int]) -> None:
        self.title = title
        self.keys = keys
        self.opener = opener
        self.recent = recent
        self.sealer: Sealer | None = None
        self.envelopes: EnvelopeOpener | None = None

    def envelope_opener(self, control: int) -> EnvelopeOpener:
        """What opens envelopes of this sender; counters are those of `opener`."""
        keys = self.keys
        return EnvelopeOpener(
            keys.cipher_keys(control & SUITE_MASK),
            keys.client_system_title,
            self.opener,
            keyring=keys.keyring,
            peer_signing=keys.sender_signing,
            transaction_floor=keys.transaction_floor,
        )


class _Unit:
    """One APDU on its way through."""

    __slots__ = ("addresses", "octets", "peer", "title")

    def __init__(self, peer: str, addresses: Addresses | None, octets: bytes) -> None:
        self.peer = peer
        self.addresses = addresses
        self.octets = octets
        self.title = b""

    def failed(self, error: Error) -> PushFailed:
        return PushFailed(self.peer, error, self.title, self.addresses, self.octets)


_Notified = tuple[Notification, Data | ShapedBody, PushedList | None]
