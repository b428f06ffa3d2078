"""Image transfer in the meter: every status, every step, every way to go wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meter_asking import NOW, act, get, put, rows

from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.data.kinds import (
    array,
    boolean,
    double_long_unsigned,
    octet_string,
    structure,
)
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.meter import image, life
from ferraris.meter.behaviour.image_states import TRANSITIONS, ImageTrigger, after
from ferraris.meter.behaviour.image_transfer import ImageMemory, ImageTransfer, Refusal
from ferraris.meter.fleet import Fleet
from ferraris.meter.simulated import SimulatedMeter
from ferraris.meter.template import Placed, Template, rights_of
from ferraris.meter.templates import template
from ferraris.model.management import ImageTransferStatus as Status

TRANSFER, VERSION, SIGNATURE = "0-0:44.0.0*255", "1-0:0.2.0*255", "1-0:0.2.8*255"
SCHEDULE, MESSAGE = "0-0:15.0.2*255", "0-0:96.13.0*255"
SIZE = 512
IMAGE = image.pack("residential", "FRR-R2.0", bytes(range(251)) * 9)
BLOCKS = [IMAGE[start : start + SIZE] for start in range(0, len(IMAGE), SIZE)]
LATER = NOW + 60
OK, TEMPORARY, OTHER = (
    ActionResult.SUCCESS,
    ActionResult.TEMPORARY_FAILURE,
    ActionResult.OTHER_REASON,
)
TEMPLATE = template("residential")


def behaviour(meter: SimulatedMeter) -> ImageTransfer:
    found = meter.fleet.template.behaviours[18, bytes(Obis.parse(TRANSFER))]
    assert isinstance(found, ImageTransfer)
    return found


def initiate(meter: SimulatedMeter, size: int = len(IMAGE), name: bytes = b"R2", **more: Any):
    data = structure(octet_string(name), double_long_unsigned(size))
    return act(meter, TRANSFER, 18, 1, data, **more)


def send(meter: SimulatedMeter, number: int, octets: bytes | None = None, **more: Any):
    value = BLOCKS[number] if octets is None else octets
    data = structure(double_long_unsigned(number), octet_string(value))
    return act(meter, TRANSFER, 18, 2, data, **more)


def verify(meter: SimulatedMeter, **more: Any):
    return act(meter, TRANSFER, 18, 3, **more)


def activate(meter: SimulatedMeter, **more: Any):
    return act(meter, TRANSFER, 18, 4, **more)


def status(meter: SimulatedMeter, **more: Any):
    return get(meter, TRANSFER, 18, 6, **more)


def missing(meter: SimulatedMeter, **more: Any):
    return get(meter, TRANSFER, 18, 4, **more)


def bits(meter: SimulatedMeter, **more: Any) -> str:
    return get(meter, TRANSFER, 18, 3, **more).text


def transferred(meter: SimulatedMeter, octets: bytes = IMAGE) -> None:
    assert initiate(meter, len(octets)) == OK
    for number, start in enumerate(range(0, len(octets), SIZE)):
        assert send(meter, number, octets[start : start + SIZE]) == OK


def verified(meter: SimulatedMeter) -> None:
    transferred(meter)
    assert verify(meter) == TEMPORARY
    assert status(meter, now=NOW + 2) == Status.VERIFICATION_SUCCESSFUL


def test_seven_steps(fleet: Fleet) -> None:
    meter = fleet[0]
    put(meter, MESSAGE, 1, 2, octet_string(b"stays"))
    energy = get(Fleet(TEMPLATE, 50, seed=7)[0], "1-0:1.8.0*255", 3, now=LATER)
    first_signature = get(meter, SIGNATURE, 1)
    assert get(meter, TRANSFER, 18, 5) is True
    assert get(meter, TRANSFER, 18, 2) == SIZE
    assert (status(meter), missing(meter), bits(meter)) == (Status.NOT_INITIATED, 0, "")
    assert initiate(meter) == OK
    assert (status(meter), missing(meter)) == (Status.INITIATED, 0)
    assert bits(meter) == "0" * len(BLOCKS)
    for number in range(len(BLOCKS)):
        assert send(meter, number) == OK
        assert missing(meter) == number + 1
    assert bits(meter) == "1" * len(BLOCKS)
    assert verify(meter) == TEMPORARY
    assert status(meter) == Status.VERIFICATION_INITIATED
    assert get(meter, TRANSFER, 18, 7) == []
    assert verify(meter, now=NOW + 1) == TEMPORARY
    assert status(meter, now=NOW + 2) == Status.VERIFICATION_SUCCESSFUL
    assert verify(meter, now=NOW + 2) == OK
    ((_, info),) = get(meter, TRANSFER, 18, 7, now=NOW + 2)
    signature = image.unpack(IMAGE).signature
    assert [value for _, value in info] == [len(IMAGE), b"R2", signature]
    assert get(meter, VERSION, 1, now=NOW + 2) == b"FRR-R1.0"
    assert activate(meter, now=NOW + 10) == OK
    assert status(meter, now=NOW + 10) == Status.ACTIVATION_INITIATED
    assert meter.is_reachable(NOW + 10.9)
    assert not meter.is_reachable(NOW + 11)
    assert not meter.is_reachable(NOW + 15.9)
    assert meter.is_reachable(NOW + 16)
    assert meter.restarts == 1
    assert status(meter, now=LATER) == Status.ACTIVATION_SUCCESSFUL
    assert get(meter, VERSION, 1, now=LATER) == b"FRR-R2.0"
    assert get(meter, SIGNATURE, 1, now=LATER) == signature != first_signature
    codes = [row[1] for row in rows(meter, "0-0:99.98.0*255", now=LATER)]
    assert codes[-2:] == [17, 18]
    assert get(meter, MESSAGE, 1, now=LATER) == b"stays"
    assert get(meter, "1-0:1.8.0*255", 3, now=LATER) == energy
    assert bits(meter, now=LATER) == "1" * len(BLOCKS)
    assert missing(meter, now=LATER) == len(BLOCKS)
    assert get(fleet[1], VERSION, 1, now=LATER) == b"FRR-R1.0"


def test_gaps_and_repetitions(fleet: Fleet) -> None:
    meter = fleet[0]
    initiate(meter)
    for number in (3, 0, 3, 1):
        assert send(meter, number) == OK
    assert bits(meter) == "1101" + "0" * (len(BLOCKS) - 4)
    assert missing(meter) == 2
    assert verify(meter) == OTHER
    assert status(meter) == Status.INITIATED
    for number in set(range(len(BLOCKS))) - {0, 1, 3}:
        assert send(meter, number) == OK
    assert verify(meter) == TEMPORARY


@pytest.mark.parametrize(
    ("number", "octets"),
    [
        (len(BLOCKS), bytes(SIZE)),
        (0, bytes(SIZE - 1)),
        (0, bytes(SIZE + 1)),
        (0, b""),
        (len(BLOCKS) - 1, bytes(SIZE)),
        (len(BLOCKS) - 1, b""),
        (0xFFFFFFFF, bytes(SIZE)),
    ],
)
def test_blocks_that_do_not_fit_change_nothing(fleet: Fleet, number: int, octets: bytes) -> None:
    meter = fleet[0]
    initiate(meter)
    assert send(meter, number, octets) == OTHER
    assert bits(meter) == "0" * len(BLOCKS)


@pytest.mark.parametrize("size", [0, (4 << 20) + 1, 0xFFFFFFFF])
def test_images_that_do_not_fit_change_nothing(fleet: Fleet, size: int) -> None:
    meter = fleet[0]
    initiate(meter)
    send(meter, 0)
    assert initiate(meter, size) == OTHER
    assert initiate(meter, 10, bytes(65)) == OTHER
    assert bits(meter).startswith("10")


def test_nothing_goes_while_it_is_not_enabled(fleet: Fleet) -> None:
    meter = fleet[0]
    transferred(meter)
    assert put(meter, TRANSFER, 18, 5, boolean(False)) == DataAccessResult.SUCCESS
    assert [initiate(meter), send(meter, 0), verify(meter), activate(meter)] == [OTHER] * 4
    assert status(meter) == Status.INITIATED
    assert put(meter, TRANSFER, 18, 5, boolean(True)) == DataAccessResult.SUCCESS
    assert verify(meter) == TEMPORARY


def test_others_may_look_and_not_touch(fleet: Fleet) -> None:
    meter = fleet[0]
    assert status(meter, client=2) == Status.NOT_INITIATED
    assert initiate(meter, client=2) == ActionResult.READ_WRITE_DENIED
    put(meter, TRANSFER, 18, 5, boolean(False), client=2)
    assert get(meter, TRANSFER, 18, 5) is True


@pytest.mark.parametrize(
    ("octets", "word"),
    [
        (IMAGE[:-1] + b"\x00", "content of the image is damaged"),
        (IMAGE[:30] + b"\x00" + IMAGE[31:], "octets, the header says|does not verify"),
        (image.pack("gas", "FRR-R2.0", bytes(900)), "for gas, not for residential"),
        (b"\x7fELF" + bytes(900), "no image for simulated meters"),
        (IMAGE[:900], "octets, the header says"),
        (
            image.pack(
                "residential",
                "FRR-R2.0",
                bytes(900),
                key=PrivateKey.generate(Curve.P256, lambda octets: b"\x55" * octets),
            ),
            "does not verify",
        ),
    ],
)
def test_images_that_fail(fleet: Fleet, octets: bytes, word: str) -> None:
    meter = fleet[0]
    transferred(meter, octets)
    assert verify(meter) == TEMPORARY
    assert status(meter, now=NOW + 2) == Status.VERIFICATION_FAILED
    assert get(meter, TRANSFER, 18, 7, now=NOW + 2) == []
    assert any(each in behaviour(meter).memory(meter).failure for each in word.split("|"))
    assert activate(meter, now=NOW + 2) == OTHER
    assert meter.is_reachable(NOW + 5)
    assert get(meter, VERSION, 1, now=LATER) == b"FRR-R1.0"
    codes = [row[1] for row in rows(meter, "0-0:99.98.0*255", now=LATER)]
    assert 17 not in codes
    assert initiate(meter, now=LATER) == OK


def test_a_meter_that_verifies_at_once_says_so() -> None:
    made = [
        replace(each, behaviour=ImageTransfer(TRANSFER, verify_s=0))
        if isinstance(each.behaviour, ImageTransfer)
        else each
        for each in placed_of(TEMPLATE)
    ]
    fleet = Fleet(rebuilt(made), 2, seed=7)
    transferred(fleet[0])
    assert verify(fleet[0]) == OK
    assert status(fleet[0]) == Status.VERIFICATION_SUCCESSFUL
    transferred(fleet[1], IMAGE[:-1] + b"\x00")
    assert verify(fleet[1]) == OTHER
    assert status(fleet[1]) == Status.VERIFICATION_FAILED


@pytest.mark.parametrize("step", list(Refusal))
def test_meters_that_refuse_firmware(fleet: Fleet, step: Refusal) -> None:
    meter = fleet[0]
    behaviour(meter).refuse(meter, step)
    initiate(meter)
    if step is Refusal.TRANSFER:
        assert send(meter, 0) == ActionResult.HARDWARE_FAULT
        behaviour(meter).refuse(meter, None)
        assert send(meter, 0) == OK
        return
    for number in range(len(BLOCKS)):
        send(meter, number)
    verify(meter)
    if step is Refusal.VERIFICATION:
        assert status(meter, now=NOW + 2) == Status.VERIFICATION_FAILED
        behaviour(meter).refuse(meter, None)
        assert verify(meter, now=NOW + 3) == TEMPORARY
        assert status(meter, now=NOW + 5) == Status.VERIFICATION_SUCCESSFUL
        return
    assert activate(meter, now=NOW + 3) == OK
    assert not meter.is_reachable(NOW + 5)
    assert status(meter, now=LATER) == Status.ACTIVATION_FAILED
    assert get(meter, VERSION, 1, now=LATER) == b"FRR-R1.0"
    assert meter.restarts == 1
    behaviour(meter).refuse(meter, None)
    assert activate(meter, now=LATER) == OK
    assert status(meter, now=LATER + 60) == Status.ACTIVATION_SUCCESSFUL


def test_power_goes_between_blocks(fleet: Fleet) -> None:
    meter = fleet[0]
    initiate(meter)
    send(meter, 0)
    life.switch_off(meter, NOW + 5)
    assert not meter.is_reachable(NOW + 6)
    life.switch_on(meter, NOW + 50)
    assert meter.is_reachable(NOW + 50)
    assert bits(meter, now=LATER) == "1" + "0" * (len(BLOCKS) - 1)
    for number in range(1, len(BLOCKS)):
        assert send(meter, number, now=LATER) == OK
    assert verify(meter, now=LATER) == TEMPORARY
    assert status(meter, now=LATER + 2) == Status.VERIFICATION_SUCCESSFUL


def test_power_goes_while_the_meter_is_at_work(fleet: Fleet) -> None:
    meter = fleet[0]
    transferred(meter)
    verify(meter)
    life.switch_off(meter, NOW + 1)
    life.switch_on(meter, NOW + 100)
    assert status(meter, now=NOW + 101) == Status.VERIFICATION_INITIATED
    assert status(meter, now=NOW + 102) == Status.VERIFICATION_SUCCESSFUL
    assert activate(meter, now=NOW + 110) == OK
    life.switch_off(meter, NOW + 112)
    life.switch_on(meter, NOW + 200)
    assert not meter.is_reachable(NOW + 204)
    assert meter.is_reachable(NOW + 205)
    assert get(meter, VERSION, 1, now=NOW + 205) == b"FRR-R2.0"


def test_activation_at_a_time(fleet: Fleet) -> None:
    meter = fleet[0]
    verified(meter)
    local = meter.zone.stamp(NOW + 7 * 3600)
    time, date = octet_string(local[5:9]), octet_string(local[:5])
    assert put(meter, SCHEDULE, 22, 4, array(structure(time, date))) == DataAccessResult.SUCCESS
    assert get(meter, VERSION, 1, now=NOW + 7 * 3600 - 2) == b"FRR-R1.0"
    assert get(meter, VERSION, 1, now=NOW + 7 * 3600 + 6) == b"FRR-R2.0"
    assert get(meter, VERSION, 1, now=NOW + 9 * 86400) == b"FRR-R2.0"
    assert meter.restarts == 1


def test_a_script_that_comes_too_early_changes_nothing(fleet: Fleet) -> None:
    meter = fleet[0]
    transferred(meter)
    assert act(meter, "0-0:10.0.107*255", 9, 1, (18, 1)) == OTHER
    assert status(meter) == Status.INITIATED


# -- the table --------------------------------------------------------------------------------

METHODS = {
    ImageTrigger.INITIATE: initiate,
    ImageTrigger.BLOCK: lambda meter, **more: send(meter, 0, **more),
    ImageTrigger.VERIFY: verify,
    ImageTrigger.ACTIVATE: activate,
}


def in_status(wanted: Status) -> SimulatedMeter:
    """A meter that came to a status by its own means, at NOW."""
    meter = Fleet(TEMPLATE, 1, seed=7)[0]
    if wanted is Status.NOT_INITIATED:
        return meter
    if wanted is Status.VERIFICATION_FAILED:
        behaviour(meter).refuse(meter, Refusal.VERIFICATION)
    if wanted is Status.ACTIVATION_FAILED:
        behaviour(meter).refuse(meter, Refusal.ACTIVATION)
    before = NOW - 100
    initiate(meter, now=before)
    for number in range(len(BLOCKS)):
        send(meter, number, now=before)
    if wanted is not Status.INITIATED:
        at_once = wanted is Status.VERIFICATION_INITIATED
        verify(meter, now=NOW if at_once else before)
    if wanted >= Status.ACTIVATION_INITIATED:
        at_once = wanted is Status.ACTIVATION_INITIATED
        activate(meter, now=NOW if at_once else before + 10)
    assert status(meter) == wanted
    behaviour(meter).refuse(meter, None)
    return meter


@pytest.mark.parametrize("before", list(Status))
@pytest.mark.parametrize("trigger", list(METHODS))
def test_every_method_in_every_status(before: Status, trigger: ImageTrigger) -> None:
    """Each leads where the table says, and where it says nothing, nothing changes."""
    meter = in_status(before)
    result = METHODS[trigger](meter)
    following = after(before, trigger)
    assert status(meter) == (before if following is None else following)
    if before in (Status.VERIFICATION_INITIATED, Status.ACTIVATION_INITIATED):
        assert result == TEMPORARY
    elif trigger is ImageTrigger.VERIFY:
        already = before is Status.VERIFICATION_SUCCESSFUL
        assert result == (OK if already else OTHER if following is None else TEMPORARY)
    else:
        assert result == (OTHER if following is None else OK)


@pytest.mark.parametrize(
    ("before", "refuses", "trigger"),
    [
        (Status.VERIFICATION_INITIATED, None, ImageTrigger.VERIFIED),
        (Status.VERIFICATION_INITIATED, Refusal.VERIFICATION, ImageTrigger.REJECTED),
        (Status.ACTIVATION_INITIATED, None, ImageTrigger.STARTED),
        (Status.ACTIVATION_INITIATED, Refusal.ACTIVATION, ImageTrigger.FELL_BACK),
    ],
)
def test_what_the_meter_does_by_itself(
    before: Status, refuses: Refusal | None, trigger: ImageTrigger
) -> None:
    meter = in_status(before)
    behaviour(meter).refuse(meter, refuses)
    assert status(meter, now=LATER) == after(before, trigger)


def test_nothing_but_the_table() -> None:
    own = {ImageTrigger.VERIFIED, ImageTrigger.REJECTED}
    reboot = {ImageTrigger.STARTED, ImageTrigger.FELL_BACK}
    for (before, trigger), following in TRANSITIONS.items():
        assert trigger in METHODS or trigger in own | reboot
        if trigger in own:
            assert before is Status.VERIFICATION_INITIATED
        if trigger in reboot:
            assert before is Status.ACTIVATION_INITIATED
        assert after(before, trigger) is following
    assert set(TRANSITIONS.values()) == set(Status) - {Status.NOT_INITIATED}


# -- any order, loss and repetition -----------------------------------------------------------

SMALL = image.pack("residential", "FRR-R3.0", b"new", signed=False)


@settings(max_examples=60, deadline=None)
@given(
    order=st.lists(st.integers(0, 12), max_size=40),
    damaged=st.none() | st.integers(0, len(SMALL) - 1),
    cuts=st.sets(st.integers(0, 40), max_size=3),
    restarted=st.booleans(),
)
def test_it_ends_in_activation_or_in_its_exact_failure(
    order: list[int], damaged: int | None, cuts: set[int], restarted: bool
) -> None:
    """In any order, however often, with gaps: all is there and right, or nothing is new."""
    fleet = Fleet(SMALL_BLOCKS, 1, seed=7)
    meter, now = fleet[0], NOW
    octets = SMALL
    if damaged is not None:
        octets = SMALL[:damaged] + bytes((SMALL[damaged] ^ 1,)) + SMALL[damaged + 1 :]
    blocks = [octets[start : start + 16] for start in range(0, len(octets), 16)]
    initiate(meter, len(octets), now=now)
    if restarted:
        send(meter, 0, blocks[0], now=now)
        initiate(meter, len(octets), now=now)
    arrived = set()
    for place, number in enumerate(order):
        if place in cuts:
            life.switch_off(meter, now + 1)
            life.switch_on(meter, now + 30)
            now += 60
        in_range = number < len(blocks)
        result = send(meter, number, blocks[number] if in_range else bytes(16), now=now)
        assert result == (OK if in_range else OTHER)
        if in_range:
            arrived.add(number)
    text = "".join("01"[number in arrived] for number in range(len(blocks)))
    assert bits(meter, now=now) == text
    gap = text.find("0")
    assert missing(meter, now=now) == (len(blocks) if gap < 0 else gap)
    if gap >= 0:
        assert verify(meter, now=now) == OTHER
        assert activate(meter, now=now) == OTHER
        assert status(meter, now=now) == Status.INITIATED
        for number in range(len(blocks)):
            if number not in arrived:
                send(meter, number, blocks[number], now=now)
    assert verify(meter, now=now) == TEMPORARY
    outcome = status(meter, now=now + 2)
    assert outcome == (
        Status.VERIFICATION_SUCCESSFUL if damaged is None else Status.VERIFICATION_FAILED
    )
    assert activate(meter, now=now + 3) == (OK if damaged is None else OTHER)
    version = get(meter, VERSION, 1, now=now + 60)
    assert version == (b"FRR-R3.0" if damaged is None else b"FRR-R1.0")


def placed_of(made: Template) -> list[Any]:
    """The objects of a template again, with the management client's rights."""
    everybody = frozenset((1,))
    found = []
    for key, each in made.behaviours.items():
        rights = made.associations[1].rights.objects.get(key)
        if rights is None:
            continue
        writes = {i: everybody for i, mode in rights.attributes.items() if mode & 2}
        found.append(Placed(each, everybody, writes, dict.fromkeys(rights.methods, everybody)))
    return found


def rebuilt(placed: list[Any]) -> Template:
    management = replace(TEMPLATE.associations[1], rights=rights_of(1, placed))
    return Template("residential", TEMPLATE.consumption, placed, [management])


def with_blocks_of(octets: int) -> Template:
    made = [
        replace(each, behaviour=ImageTransfer(TRANSFER, block_octets=octets))
        if isinstance(each.behaviour, ImageTransfer)
        else each
        for each in placed_of(TEMPLATE)
    ]
    return rebuilt(made)


SMALL_BLOCKS = with_blocks_of(16)


def test_meters_hold_the_same_blocks_once(fleet: Fleet) -> None:
    for index in (0, 1):
        initiate(fleet[index])
        send(fleet[index], 0, bytes(BLOCKS[0]))
    first, second = (
        fleet[index].state.found(ImageMemory, behaviour(fleet[0]).key) for index in (0, 1)
    )
    assert first is not None
    assert second is not None
    assert first.blocks[0] is second.blocks[0]
