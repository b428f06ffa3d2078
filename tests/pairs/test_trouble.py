"""Peers that are wrong, silent, forged or gone: each has its own error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from pairing import Pair

from ferraris.client.meter import Meter
from ferraris.client.security import HighGMAC, NoSecurity, Password
from ferraris.core.errors import (
    DecodeError,
    LineError,
    RefusedError,
    SecurityError,
    SequenceError,
    UsageError,
)
from ferraris.messaging.dlms.enumerations import (
    ExceptionServiceError,
    ServiceUserDiagnostic,
)


async def read_energy(meter: Meter) -> object:
    return (await meter.read("1-0:1.8.0")).value


def gmac(pair: Pair) -> HighGMAC:
    security = pair.security("gmac")
    assert isinstance(security, HighGMAC)
    return security


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_wrong_password(scheme: str) -> None:
    pair = Pair(scheme)
    with pytest.raises(RefusedError, match="password") as caught:
        pair.run(Password(b"not the password"), read_energy)
    assert caught.value.reason == ServiceUserDiagnostic.AUTHENTICATION_FAILURE
    assert "not the password" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["encryption_key", "authentication_key"])
def test_wrong_key(wrong: str) -> None:
    pair = Pair()
    security = replace(gmac(pair), **{wrong: bytes(16)})  # type: ignore[arg-type]
    with pytest.raises(RefusedError, match="wrong key, or an altered message") as caught:
        pair.run(security, read_energy)
    assert caught.value.reason == ExceptionServiceError.DECIPHERING_ERROR


def test_a_counter_that_was_used_before() -> None:
    pair = Pair()
    first = gmac(pair)
    pair.run(first, read_energy)
    with pytest.raises(RefusedError, match="invocation counter before") as caught:
        pair.run(first, read_energy)
    assert caught.value.reason == ExceptionServiceError.INVOCATION_COUNTER_ERROR


def test_another_title_than_the_meter_was_known_by() -> None:
    pair = Pair()
    security = replace(gmac(pair), server_system_title=b"XYZ00000")
    with pytest.raises(SecurityError, match="system title"):
        pair.run(security, read_energy)


def test_no_security_where_the_meter_wants_it() -> None:
    pair = Pair()
    with pytest.raises(RefusedError, match="ciphering") as caught:
        pair.run(NoSecurity(), read_energy, client=1)
    assert caught.value.reason == ServiceUserDiagnostic.APPLICATION_CONTEXT_NAME_NOT_SUPPORTED


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_an_address_that_nobody_has_is_silence(scheme: str) -> None:
    pair = Pair(scheme)
    with pytest.raises(LineError, match=r"silent|no meter"):
        pair.run(NoSecurity(), read_energy, server=99)


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
@pytest.mark.parametrize("how", ["silence", "disconnect"])
def test_a_peer_that_goes_away_in_the_middle_of_blocks(scheme: str, how: str) -> None:
    pair = Pair(scheme)

    async def procedure(meter: Meter) -> None:
        assert pair.line is not None
        pair.time.at(pair.time.now + 0.25, getattr(pair.line, how))
        await meter.profile("1-0:99.1.0")

    with pytest.raises(LineError):
        pair.run(gmac(pair), procedure, max_pdu=200)


class Tamper:
    """Sits on the line and changes what the meter sends, the n-th time it fits."""

    def __init__(self, pair: Pair, change: Callable[[bytes], list[bytes]], at: int) -> None:
        assert pair.line is not None
        self.change = change
        self.left = at
        self.end = pair.line.driver
        self.original = self.end.arrive
        self.end.arrive = self.arrive  # type: ignore[method-assign]

    def arrive(self, octets: bytes) -> None:
        self.left -= 1
        for copy in self.change(octets) if self.left == 0 else [octets]:
            self.original(copy)


def run_tampered(pair: Pair, change: Callable[[bytes], list[bytes]], security: HighGMAC) -> object:
    async def procedure(meter: Meter) -> object:
        Tamper(pair, change, 1)
        first = await read_energy(meter)
        return (first, await read_energy(meter))

    return pair.run(security, procedure)


def flip_last(octets: bytes) -> list[bytes]:
    return [octets[:-1] + bytes([octets[-1] ^ 1])]


def test_an_altered_answer_is_told_from_silence() -> None:
    pair = Pair()
    with pytest.raises(SecurityError, match="does not verify"):
        run_tampered(pair, flip_last, gmac(pair))


def test_a_forged_answer_does_not_end_the_exchange() -> None:
    pair = Pair()
    values = run_tampered(pair, lambda octets: [*flip_last(octets), octets], gmac(pair))
    assert isinstance(values, tuple)


def test_an_answer_that_comes_twice_is_dropped_once() -> None:
    pair = Pair()
    first, second = run_tampered(pair, lambda octets: [octets, octets], gmac(pair))  # type: ignore[misc]
    assert second >= first


def test_an_unprotected_answer_in_a_protected_association() -> None:
    pair = Pair()

    def downgrade(octets: bytes) -> list[bytes]:
        plain = bytes.fromhex("c401c1000600000001")
        return [octets[:6] + len(plain).to_bytes(2, "big") + plain]

    with pytest.raises(SecurityError, match="unprotected"):
        run_tampered(pair, downgrade, gmac(pair))


def test_a_plain_exception_is_an_unauthenticated_refusal() -> None:
    pair = Pair()

    def refuse(octets: bytes) -> list[bytes]:
        return [octets[:6] + b"\x00\x03\xd8\x01\x02"]

    with pytest.raises(RefusedError, match="service-not-supported"):
        run_tampered(pair, refuse, gmac(pair))


def test_an_answer_to_another_question() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> object:
        def other_invoke_id(octets: bytes) -> list[bytes]:
            return [octets[:10] + bytes([octets[10] ^ 0x0F]) + octets[11:]]

        Tamper(pair, other_invoke_id, 1)
        return await read_energy(meter)

    with pytest.raises(SequenceError, match="invoke id"):
        pair.run(pair.security("password"), procedure)


def test_garbage_instead_of_an_answer() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> object:
        Tamper(pair, lambda octets: [octets[:6] + b"\x00\x03abc"], 1)
        return await read_energy(meter)

    with pytest.raises(DecodeError):
        pair.run(pair.security("password"), procedure)


def test_a_stream_that_is_no_wrapper() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> object:
        Tamper(pair, lambda octets: [b"HTTP/1.1 400 Bad Request\r\n\r\n"], 1)
        return await read_energy(meter)

    with pytest.raises(DecodeError, match="wrapper"):
        pair.run(pair.security("password"), procedure)


def test_blocks_out_of_order() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> object:
        layout = await meter.profile_layout("1-0:99.1.0")

        def renumber(octets: bytes) -> list[bytes]:
            return [octets[:12] + (9).to_bytes(4, "big") + octets[16:]]

        Tamper(pair, renumber, 2)
        return await meter.profile(layout)

    with pytest.raises(SequenceError, match="block 9 came where block 2 was due"):
        pair.run(pair.security("password"), procedure, max_pdu=300)


def test_the_meter_skips_authentication() -> None:
    pair = Pair()
    opening = pair.connect(gmac(pair))

    def accept_at_once(octets: bytes) -> list[bytes]:
        return [octets.replace(bytes.fromhex("a305a10302010e"), bytes.fromhex("a305a103020100"))]

    Tamper(pair, accept_at_once, 1)
    with pytest.raises(SecurityError, match="skipped"):
        pair.time.complete(opening())  # type: ignore[arg-type]


def test_the_meter_reflects_our_challenge() -> None:
    pair = Pair()
    opening = pair.connect(gmac(pair))
    assert pair.line is not None
    own = pair.line.driver.layer.upper.parameters.challenge  # type: ignore[attr-defined]

    def reflect(octets: bytes) -> list[bytes]:
        start = octets.index(bytes.fromhex("aa128010")) + 4
        return [octets[:start] + own + octets[start + 16 :]]

    Tamper(pair, reflect, 1)
    with pytest.raises(SecurityError, match="own challenge"):
        pair.time.complete(opening())  # type: ignore[arg-type]


def test_secrets_are_in_no_message() -> None:
    pair = Pair()
    security = gmac(pair)
    shown = repr(security) + repr(security.parameters(pair.entropy))
    for secret in (security.encryption_key, security.authentication_key):
        assert secret.hex() not in shown
        assert repr(secret) not in shown
    assert "hunter2" not in repr(Password(b"hunter2"))


def test_a_counter_must_be_known() -> None:
    pair = Pair()
    with pytest.raises(UsageError, match="invocation counter"):
        replace(gmac(pair), invocation_counter=None).parameters(pair.entropy)
