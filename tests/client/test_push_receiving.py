"""From APDUs to pushes: protection, policy, replay, blocks, confirmation; nothing raises."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from ferraris.client.push import Push, PushFailed
from ferraris.client.push_blocks import PushBlocks
from ferraris.client.push_keys import PushKeys
from ferraris.client.push_receiving import PushReceiver
from ferraris.client.pushed import PushedList, PushedObject
from ferraris.core.errors import (
    DecodeError,
    SecurityError,
    SequenceError,
    UsageError,
)
from ferraris.data import axdr
from ferraris.data.date_time import DateTime
from ferraris.data.kinds import (
    array,
    double_long_unsigned,
    enum,
    integer,
    long64,
    long_unsigned,
    octet_string,
    structure,
    visible_string,
)
from ferraris.data.obis import Obis
from ferraris.data.units import find
from ferraris.messaging.dlms.apdu import decode
from ferraris.messaging.dlms.general import (
    GeneralBlockTransfer,
    GeneralCiphering,
    GeneralGlo,
    ServiceCiphered,
)
from ferraris.messaging.dlms.get import GetRequestNormal
from ferraris.messaging.dlms.names import AttributeDescriptor, Selection
from ferraris.messaging.dlms.notify import (
    DataNotification,
    DataNotificationConfirm,
    EventNotification,
)
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Opener, Sealer
from ferraris.messaging.dlms.security.counters import ReplayError
from ferraris.messaging.dlms.short_name import (
    InformationReportRequest,
    ParameterisedAccess,
    VariableName,
)

TITLE = b"FRR\0\0\0\0\7"
STRANGER = b"XXX\0\0\0\0\1"
ENCRYPTION_KEY, AUTHENTICATION_KEY = bytes(range(16)), bytes(range(16, 32))
KEYS = {TITLE: PushKeys(ENCRYPTION_KEY, AUTHENTICATION_KEY)}
NAME = Obis.parse("1-0:1.8.0*255")
CLOCK = Obis.parse("0-0:1.0.0*255")
NOON = DateTime.of(2026, 3, 1, 7, 12, 0, 0, deviation=0, status=0)
BODY = axdr.encode(structure(octet_string(NAME), double_long_unsigned(5)))
PLAIN = DataNotification(7, bytes(NOON), BODY).to_octets()
AUTHENTICATED, ENCRYPTED, BOTH = 0x10, 0x20, 0x30


class Sender:
    """A meter that seals what it sends."""

    def __init__(self, title: bytes = TITLE, key: bytes = ENCRYPTION_KEY, suite: int = 0) -> None:
        keys = CipherKeys(suite, key, AUTHENTICATION_KEY)
        self.title = title
        self.suite = suite
        self.sealer = Sealer(keys, title, CounterLease(1, 1000))

    def __call__(self, plain: bytes = PLAIN, control: int = BOTH) -> bytes:
        content = self.sealer.seal(plain, control | self.suite)
        return GeneralGlo(self.title, content).to_octets()


def taken(receiver: PushReceiver, octets: bytes, peer: str = "udp://192.0.2.7:1") -> Push:
    (push,) = receiver.take(octets, peer)
    assert isinstance(push, Push), push
    return push


def refused(receiver: PushReceiver, octets: bytes, kind: type[Exception]) -> PushFailed:
    (failed,) = receiver.take(octets, "udp://192.0.2.7:1")
    assert isinstance(failed, PushFailed)
    assert type(failed.error) is kind, failed
    assert failed.peer in str(failed)
    for key in (ENCRYPTION_KEY, AUTHENTICATION_KEY):
        assert key.hex() not in str(failed) + repr(failed)
    return failed


def test_a_plain_push_becomes_readings():
    push = taken(PushReceiver(), PLAIN)
    (reading,) = push.readings
    assert (reading.name, reading.value, reading.unit) == (NAME, 5, None)
    assert reading.time is not None
    assert reading.time.isoformat() == "2026-03-01T12:00:00+00:00"
    assert reading.origin == "data-notification"
    assert push.device == "udp://192.0.2.7:1"
    assert push.raw == PLAIN


def test_a_known_list_gives_names_scalers_and_units():
    known = PushedList((PushedObject(NAME, 3, 2, -3, find("Wh")),))
    nameless = DataNotification(7, b"", axdr.encode(structure(double_long_unsigned(5))))
    for octets in (PLAIN, nameless.to_octets()):
        push = taken(PushReceiver(lists=lambda title: known), octets)
        assert [str(each.value) for each in push.readings] == ["0.005"]
        assert push.readings[0].unit == find("Wh")


def test_an_event_notification_is_one_reading():
    attribute = AttributeDescriptor(3, NAME, 2)
    data = axdr.encode(double_long_unsigned(9))
    octets = EventNotification(bytes(NOON), attribute, data).to_octets()
    push = taken(PushReceiver(), octets)
    (reading,) = push.readings
    assert (reading.value, reading.origin) == (9, "event-notification 3/2")
    assert push.time is not None


@pytest.mark.parametrize("suite", [0, 1])
@pytest.mark.parametrize("control", [AUTHENTICATED, BOTH])
def test_a_protected_push_is_opened_and_its_counter_told(control: int, suite: int):
    floors: list[tuple[bytes, int, bool]] = []
    receiver = PushReceiver(KEYS, on_floor=lambda *floor: floors.append(floor))
    send = Sender(suite=suite)
    for counter in (1, 2):
        push = taken(receiver, send(control=control))
        assert push.system_title == TITLE
        assert push.device == TITLE.hex()
        assert push.protection.counter == counter
        assert push.protection.authenticated
        assert push.protection.encrypted == (control == BOTH)
    assert floors == [(TITLE, 1, False), (TITLE, 2, False)]


REPORTED = [VariableName(0x2008), ParameterisedAccess(0x2010, Selection(1, b"\x00"))]
VALUES = [axdr.encode(octet_string(NAME)), axdr.encode(double_long_unsigned(5))]


@pytest.mark.parametrize("protected", [False, True])
def test_an_information_report_is_a_push(protected: bool):
    report = InformationReportRequest(bytes(NOON), REPORTED, VALUES, cosem_time=True)
    octets = report.to_octets()
    if protected:
        octets = ServiceCiphered(0x38, Sender().sealer.seal(octets, BOTH)).to_octets()
    receiver = PushReceiver(KEYS if protected else None)
    push = taken(receiver, octets)
    assert push.service == "information-report"
    assert push.base_names == (0x2008, 0x2010)
    assert push.data == structure(octet_string(NAME), double_long_unsigned(5))
    (reading,) = push.readings
    assert (reading.name, reading.value, reading.origin) == (NAME, 5, "information-report")
    assert push.time is not None
    assert push.time.isoformat() == "2026-03-01T12:00:00+00:00"
    assert push.protection.authenticated == protected
    assert receiver.confirmation(push) is None
    if protected:
        refused(receiver, octets, ReplayError)
        refused(receiver, report.to_octets(), SecurityError)


def test_a_known_list_names_what_an_information_report_brings():
    known = PushedList((PushedObject(NAME, scaler=-3, unit=find("Wh")),))
    report = InformationReportRequest(None, REPORTED[:1], VALUES[1:])
    receiver = PushReceiver(lists=lambda title: known)
    (reading,) = taken(receiver, report.to_octets()).readings
    assert (reading.name, str(reading.value), reading.time) == (NAME, "0.005", None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"20260301120000Z", "2026-03-01T12:00:00+00:00"),
        (b"20260301120000.5Z", "2026-03-01T12:00:00+00:00"),
        (b"20260301120000", None),
        (b"2026", None),
        (b"", None),
    ],
)
def test_the_time_of_an_information_report_may_be_a_text(text: bytes, shown: str | None):
    report = InformationReportRequest(text, REPORTED, VALUES)
    time = taken(PushReceiver(), report.to_octets()).time
    assert (None if time is None else time.isoformat()) == shown


def test_replays_are_refused_also_across_restarts():
    octets = Sender()()
    receiver = PushReceiver(KEYS)
    taken(receiver, octets)
    assert refused(receiver, octets, ReplayError).system_title == TITLE
    kept = PushKeys(ENCRYPTION_KEY, AUTHENTICATION_KEY, floor=1)
    refused(PushReceiver({TITLE.hex(): kept}), octets, ReplayError)


def test_an_encrypted_push_is_taken_once_where_the_policy_allows_it():
    octets = Sender()(control=ENCRYPTED)
    refused(PushReceiver(KEYS), octets, SecurityError)
    receiver = PushReceiver({TITLE: ENCRYPTION_KEY})
    push = taken(receiver, octets)
    assert (push.protection.authenticated, push.protection.encrypted) == (False, True)
    refused(receiver, octets, ReplayError)


def test_without_authentication_key_a_tag_proves_nothing():
    push = taken(PushReceiver(PushKeys(ENCRYPTION_KEY)), Sender()())
    assert not push.protection.authenticated
    with pytest.raises(UsageError):
        PushKeys(ENCRYPTION_KEY, protection="both")


def test_wrong_keys_strangers_and_altered_pushes_are_refused():
    wrong = Sender(key=bytes(16))
    refused(PushReceiver(KEYS), wrong(), SecurityError)
    refused(PushReceiver({TITLE: ENCRYPTION_KEY}), wrong(control=ENCRYPTED), SecurityError)
    assert refused(PushReceiver(KEYS), Sender(STRANGER)(), SecurityError).system_title == STRANGER
    altered = bytearray(Sender()())
    altered[-20] ^= 1
    receiver = PushReceiver(KEYS)
    refused(receiver, bytes(altered), SecurityError)
    taken(receiver, Sender()())  # the counter of a forgery is not spent


def test_plain_pushes_need_to_be_allowed_where_there_are_keys():
    refused(PushReceiver(KEYS), PLAIN, SecurityError)
    taken(PushReceiver(KEYS, plain=True), PLAIN)


def test_service_ciphered_pushes_come_from_the_only_sender_known():
    event = EventNotification(None, AttributeDescriptor(3, NAME, 2), b"\x11\x05").to_octets()
    octets = ServiceCiphered(0xCA, Sender().sealer.seal(event, BOTH)).to_octets()
    assert taken(PushReceiver(KEYS), octets).system_title == TITLE
    both = {**KEYS, STRANGER: PushKeys(bytes(16))}
    refused(PushReceiver(both), octets, SecurityError)


def test_keys_may_be_asked_for():
    asked: list[bytes] = []

    def find_keys(title: bytes) -> PushKeys | None:
        asked.append(title)
        return KEYS.get(title)

    receiver = PushReceiver(find_keys)
    taken(receiver, Sender()())
    refused(receiver, Sender(STRANGER)(), SecurityError)
    assert asked == [TITLE, STRANGER]


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        (b"", DecodeError),
        (b"\x55garbage", DecodeError),
        (PLAIN[:-1], DecodeError),
        (PLAIN + b"\0", DecodeError),
        (Sender()()[:30], DecodeError),
        (GetRequestNormal(1, AttributeDescriptor(3, NAME, 2)).to_octets(), SequenceError),
        (
            GeneralCiphering(b"", TITLE, b"", b"", b"", None, bytes(20)).to_octets(),
            SecurityError,
        ),
    ],
)
def test_what_is_no_push_is_told_as_such(octets: bytes, kind: type[Exception]):
    refused(PushReceiver(KEYS, plain=True), octets, kind)


def blocks(octets: bytes, size: int = 40) -> list[bytes]:
    parts = [octets[at : at + size] for at in range(0, len(octets), size)]
    return [
        GeneralBlockTransfer(number == len(parts), True, 0, number, 0, part).to_octets()
        for number, part in enumerate(parts, 1)
    ]


def test_blocks_of_two_senders_are_joined_apart():
    octets = Sender()()
    one, two, last = blocks(octets, 30)
    receiver = PushReceiver(KEYS, plain=True)
    mixed: list[Push | PushFailed] = []
    plain = blocks(PLAIN, len(PLAIN) // 2 + 1)
    for part, peer in ((one, "a"), (plain[0], "b"), (two, "a"), (two, "a"), (plain[1], "b")):
        mixed += receiver.take(part, peer)
    mixed += receiver.take(last, "a")
    assert [push.raw for push in mixed] == [PLAIN, octets]


def test_lost_blocks_lose_one_push_only():
    receiver = PushReceiver(KEYS)
    send = Sender()
    one, two, last = blocks(send(), 30)
    receiver.take(one, "a")
    (failed,) = receiver.take(last, "a")
    assert isinstance(failed, PushFailed)
    assert isinstance(failed.error, SequenceError)
    receiver.take(one, "a")
    found = [item for part in blocks(send(), 30) for item in receiver.take(part, "a")]
    assert [type(item) for item in found] == [PushFailed, Push]
    assert type(receiver.take(two, "a")[0]) is PushFailed


def test_blocks_are_bounded():
    joined = PushBlocks(limit=10, most=2)
    block = GeneralBlockTransfer(False, True, 0, 1, 0, bytes(11))
    with pytest.raises(DecodeError):
        joined.add("a", block)
    block.block_data = b"1"
    for sender in "abc":
        joined.add(sender, block)
    assert [joined.began(sender) for sender in "abc"] == [False, True, True]


CONFIRMED = DataNotification(0x40000007, b"", BODY).to_octets()


def test_a_confirmation_is_given_where_it_was_asked_for():
    receiver = PushReceiver()
    assert receiver.confirmation(taken(receiver, PLAIN)) is None
    answer = receiver.confirmation(taken(receiver, CONFIRMED))
    assert answer is not None
    assert decode(answer) == DataNotificationConfirm(0x40000007)


def test_a_confirmation_is_protected_with_leased_counters():
    ours = b"FRR\0\0\0\0\1"
    keys = PushKeys(ENCRYPTION_KEY, AUTHENTICATION_KEY, lease=CounterLease(5, 9))
    receiver = PushReceiver({TITLE: keys})
    answer = receiver.confirmation(taken(receiver, Sender()(CONFIRMED)))
    assert answer is not None
    glo = decode(answer)
    assert isinstance(glo, GeneralGlo)
    opener = Opener(CipherKeys(0, ENCRYPTION_KEY, AUTHENTICATION_KEY), ours)
    opened = opener.open(glo.content)
    assert (decode(opened.plain), opened.counter) == (DataNotificationConfirm(0x40000007), 5)


@pytest.mark.parametrize("keys", [{"xx": b""}, {b"short": KEYS[TITLE]}, {TITLE: 5}, 7])
def test_keys_that_cannot_be_any_are_named_at_once(keys: object):
    with pytest.raises(UsageError):
        PushReceiver(keys)  # type: ignore[arg-type] # what the test is about


def test_protection_is_one_of_four():
    make: Callable[..., PushKeys] = PushKeys
    with pytest.raises(UsageError, match="protection"):
        make(ENCRYPTION_KEY, protection="some")


def rich() -> bytes:
    """A push with one of everything that a list may hold."""
    clock = octet_string(NOON)
    listed = structure(long_unsigned(3), octet_string(NAME), integer(2), long_unsigned(0))
    body = structure(
        array(listed, listed),
        octet_string(b"KFM_001"),
        structure(octet_string(NAME), long64(-5), structure(integer(-3), enum(30))),
        octet_string(CLOCK),
        clock,
        octet_string(NAME),
        visible_string("text"),
        structure(integer(1), enum(27)),
    )
    return DataNotification(7, bytes(NOON), axdr.encode(body)).to_octets()


@pytest.mark.parametrize("known", [None, PushedList((PushedObject(NAME, 3, 2, -3, find("Wh")),))])
def test_whatever_comes_is_a_value_and_its_readings_can_be_had(known: PushedList | None):
    random = Random(11)
    receiver = PushReceiver(KEYS, plain=True, lists=lambda title: known)
    send = Sender()
    seeds = [rich(), PLAIN, send(), *blocks(rich(), 40), *blocks(send(rich()), 60)]
    pushes = 0
    for _ in range(6000):
        octets = bytearray(random.choice(seeds))
        for _ in range(random.randrange(4)):
            octets[random.randrange(len(octets))] = random.randrange(256)
        cut = random.randrange(len(octets)) if random.random() < 0.1 else len(octets)
        for item in receiver.take(bytes(octets[:cut]), random.choice("ab")):
            if isinstance(item, Push):
                pushes += 1
                assert len(item.readings) == len(item.values)
                assert repr(item)
                assert axdr.encode(item.data)
            else:
                assert str(item)
    assert pushes > 500
