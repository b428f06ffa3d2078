"""Every mechanism, form and suite that foreign clients can do, and where they end.

Each cell of the matrix in docs/interop.md is a test here; one that fails on the client's side holds
the octets that prove it, so that a newer client which gets further is noticed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from black_boxes import (
    COSEM,
    DIGESTS,
    FORMS,
    GURUX,
    NOON,
    SPAN_S,
    WISHES,
    apdus,
    attempt,
    failure,
    foreign,
    ours,
    running,
    tags,
)

pytestmark = pytest.mark.services

SETTABLE = """
import json
from gurux_dlms.enums import Security
from gurux_dlms.secure import GXDLMSSecureClient
client = GXDLMSSecureClient()
names = [name for made in (client, client.ciphering) for name in dir(made) if name[0] != "_"]
print(json.dumps([names, [each.name for each in Security]]))
"""
"""What a user of gurux-dlms can set."""


def works(script: str, meter: dict[str, Any], way: str, **how: Any) -> dict[str, Any]:
    """Registers, the profile by range, the clock set and read back, and with Gurux an action."""
    values, rows = ours(meter)
    wanted = NOON + 7500
    found = foreign(script, meter, way, **WISHES, clock=wanted, action=True, **how)
    assert {name: found[name] for name in values} == values
    assert found["rows"] == rows
    assert len(rows) == SPAN_S // 900
    assert abs(found["clock"] - wanted) < 5
    if script == GURUX:
        assert found["quarter"] == NOON + 7200
    return found


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
@pytest.mark.parametrize("way", DIGESTS)
@pytest.mark.parametrize("ciphered", [False, True])
def test_secrets_proved(way: str, scheme: str, ciphered: bool) -> None:
    """HLS 2 to 4 and 6, in the clear and ciphered; a wrong secret is refused."""
    with running(scheme, mechanism=DIGESTS[way]) as meter:
        client = 1 if ciphered else 2
        works(GURUX, meter, way, client=client, ciphered=ciphered)
        wrong = {"password": "ABCDEFGHIJKLMNOP", "counter": 1000}
        found = failure(GURUX, meter, way, client=client, ciphered=ciphered, **wrong)
    assert set(found) == {"wire", "error"}


@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_forms_by_gmac(form: str, suite: int) -> None:
    how, expected = FORMS[form]
    with running("tcp", suite=suite) as meter:
        found = works(GURUX, meter, "gmac", client=3 if suite else 1, **how)
    assert tags(found) == expected


@pytest.mark.parametrize("form", FORMS)
def test_forms_by_ecdsa(form: str) -> None:
    """HLS 7 in suite 1: signatures over both titles and challenges, both ways."""
    how, expected = FORMS[form]
    with running("tcp", suite=1) as meter:
        found = works(GURUX, meter, "ecdsa", **how)
        assert tags(found) == expected
        # The meter takes no signature of anybody else.
        wrong = {"client_signing": meter["client_agreement"], "counter": 1000}
        assert "error" in failure(GURUX, meter, "ecdsa", **wrong)


@pytest.mark.parametrize(
    ("suite", "way", "how"),
    [
        (0, "gmac", {"dedicated": True}),
        (1, "ecdsa", {"dedicated": True}),
        (2, "gmac", {"client": 3, "general": False}),
    ],
)
def test_some_of_it_over_hdlc(suite: int, way: str, how: dict[str, Any]) -> None:
    with running("tcp+hdlc", suite=suite) as meter:
        works(GURUX, meter, way, **how)


@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("protection", ["AUTHENTICATION", "ENCRYPTION"])
def test_less_than_the_policy_asks_for(protection: str, suite: int) -> None:
    """The meter asks for both; a client that does less reads nothing."""
    with running("tcp", suite=suite) as meter:
        how = {"client": 3 if suite else 1, "protection": protection}
        found = failure(GURUX, meter, "gmac", **WISHES, **how)
    assert "1.0.1.8.0" not in found


# Where gurux-dlms ends.


def test_signatures_of_suite_2_are_beyond_the_client() -> None:
    """It proposes ECDSA with P-384, gets our challenge, and cannot sign with such a key."""
    with running("tcp", suite=2) as meter:
        found = failure(GURUX, meter, "ecdsa")
    (aarq,), (aare,) = apdus(found, ">"), apdus(found, "<")
    assert bytes.fromhex("8b0760857405080207") in aarq  # mechanism-name: HLS 7
    assert bytes.fromhex("890760857405080207") in aare
    assert bytes.fromhex("a203020100a305a10302010e") in aare  # accepted, authentication required
    assert found["error"] == "ValueError: Invalid private key scheme."


@pytest.mark.parametrize("way", ["md5", "sha1", "sha256"])
def test_proofs_by_short_name_need_a_read(way: str) -> None:
    """It writes its proof, and misses ours: the answer to a WRITE has no room for one."""
    with running("tcp", template="residential-sn", mechanism=DIGESTS[way]) as meter:
        found = failure(GURUX, meter, way, client=2, short=True)
    written, answered = apdus(found, ">")[-1], apdus(found, "<")[-1]
    # WRITE of one variable-name, 0xFA00 + 0x58 reply_to_HLS_authentication; one octet-string.
    assert written[:6] == bytes.fromhex("060102fa5801")
    assert written[6:8] == bytes((9, len(written) - 8))
    assert answered == bytes.fromhex("0d0100")  # one success
    assert "do not match" in found["error"]


def test_ciphered_proofs_by_short_name_are_never_sent() -> None:
    with running("tcp", template="residential-sn") as meter:
        found = failure(GURUX, meter, "gmac", short=True)
    assert [apdu[0] for way in "><" for apdu in apdus(found, way)] == [0x60, 0x61]
    assert found["error"] == "AssertionError: "


def test_the_client_has_no_signatures_of_apdus_and_no_general_ciphering() -> None:
    """Nothing that a user can set asks for them: keys and certificates are all there is."""
    pytest.importorskip("gurux_dlms")
    ran = subprocess.run(
        [sys.executable, "-c", SETTABLE], capture_output=True, text=True, check=True
    )
    names, securities = json.loads(ran.stdout.splitlines()[-1])
    assert {name for name in names if "sign" in name.lower()} == {
        "signingKeyPair",
        "getSigningKeyPair",
        "setSigningKeyPair",
    }
    assert {name for name in names if "agreement" in name.lower()} == {
        "keyAgreementKeyPair",
        "getKeyAgreementKeyPair",
        "setKeyAgreementKeyPair",
    }
    assert securities == ["NONE", "AUTHENTICATION", "ENCRYPTION", "AUTHENTICATION_ENCRYPTION"]


# dlms-cosem: general-glo-ciphering, GMAC, and mechanism 2.


@pytest.mark.parametrize("suite", [0, 1, 2])
def test_suites_of_dlms_cosem(suite: int) -> None:
    with running("tcp", suite=suite) as meter:
        found = works(COSEM, meter, "gmac", client=3 if suite else 1, suite=suite)
    assert tags(found) == {0xDB}


def test_dlms_cosem_makes_no_use_of_dedicated_keys() -> None:
    """Asked for one, it goes on under the global key."""
    with running("tcp") as meter:
        found = works(COSEM, meter, "gmac", dedicated=True)
    assert tags(found) == {0xDB}


@pytest.mark.parametrize("scheme", ["tcp", "tcp+hdlc"])
def test_mechanism_2_of_dlms_cosem(scheme: str) -> None:
    with running(scheme, mechanism=2) as meter:
        works(COSEM, meter, "own", client=2)
        ran, found = attempt(COSEM, meter, "own", client=2, password="ABCDEFGHIJKLMNOP")
    assert (ran.returncode, found) == (1, {})
    assert "HLS" in ran.stderr or "Error" in ran.stderr or "Exception" in ran.stderr
