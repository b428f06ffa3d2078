"""Security out of a key store: floors are kept by themselves, whatever else happens."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pairing import NOON, Pair, watch
from test_protections import exercise, suites

from ferraris.client.kept import kept_security
from ferraris.client.meter import Meter
from ferraris.client.security import DEFAULT_SYSTEM_TITLE, HighECDSA
from ferraris.core.errors import LineError, SecurityError, UsageError
from ferraris.crypto.certificates import CertificateError, Reason, Usage
from ferraris.crypto.curves import PrivateKey
from ferraris.keys import KeyStore

NOW = datetime.fromtimestamp(NOON, UTC)
NAME = "m1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    with KeyStore.create(tmp_path / "keys.db", "correct horse", cost=2) as made:
        yield made


def filled(store: KeyStore, pair: Pair) -> None:
    """What the fleet says of its first meter, and of its client."""
    line, fleet = pair.fleet.line(0, ""), pair.fleet
    for kind in ("encryption_key", "authentication_key", "master_key"):
        if kind in line:
            store.put(NAME, kind, bytes.fromhex(line[kind]))  # type: ignore[literal-required]
    if not fleet.template.suite:
        return
    own = fleet.client_pairs(0)
    for usage, key in ((Usage.SIGNING, own.signing), (Usage.KEY_AGREEMENT, own.agreement)):
        assert isinstance(key, PrivateKey)
        store.put_private_key("client", usage, key)
        store.put_certificate(fleet.certificate(0, usage))
    store.put_certificate(fleet.authority.root, trusted=True)


def known(pair: Pair) -> dict[str, Any]:
    suite = int(pair.fleet.template.suite)
    if not suite:
        return {}
    title = pair.fleet[0].system_title
    return {"kind": HighECDSA, "suite": suite, "own": "client", "title": title, "at": NOW}


@pytest.mark.parametrize("suite", [0, 1, 2])
@pytest.mark.parametrize("form", ["service", "envelope"])
def test_floors_are_in_the_store_when_the_association_is_over(
    store: KeyStore, suite: int, form: str
) -> None:
    pair = suites(suite)
    filled(store, pair)
    heights = []
    for _ in range(3):
        security = kept_security(store, NAME, form=form, **known(pair))
        assert security.system_title == DEFAULT_SYSTEM_TITLE
        pair.run(security, exercise)
        heights.append((store.floor(NAME), store.transaction_floor(NAME)))
    assert [each for each, _ in heights] == sorted({each for each, _ in heights})
    assert heights[0][0] > 0
    if form == "envelope":
        assert [each for _, each in heights] == sorted({each for _, each in heights})
        assert heights[0][1] > 0


def test_a_line_that_breaks_keeps_them_too(store: KeyStore) -> None:
    pair = suites(0)
    filled(store, pair)

    async def broken(meter: Meter) -> None:
        await exercise(meter)
        raise LineError("as expected")

    with pytest.raises(LineError):
        pair.run(kept_security(store, NAME, form="envelope"), broken)
    assert store.floor(NAME) > 0
    assert store.transaction_floor(NAME) > 0


def test_an_answer_of_before_is_refused_by_whoever_asks_next(store: KeyStore) -> None:
    pair = suites(0)
    filled(store, pair)
    recorded: list[bytes] = []

    async def listening(meter: Meter) -> None:
        assert pair.line is not None
        watch(pair.line.driver, recorded.append)
        await exercise(meter)

    pair.run(kept_security(store, NAME, form="envelope"), listening)
    answers = [octets[8:] for octets in recorded if octets[8] == 0xDD]
    assert len(answers) > 3

    async def replaying(meter: Meter) -> None:
        assert meter.channel is not None
        for octets in answers:
            with pytest.raises(SecurityError, match="before"):
                meter.channel.unprotect(octets)

    pair.run(kept_security(store, NAME, form="envelope"), replaying)


def test_transactions_go_on_after_a_change_of_keys(store: KeyStore) -> None:
    pair = suites(1)
    filled(store, pair)
    new = pair.random.randbytes(16)

    async def change(meter: Meter) -> None:
        await exercise(meter)
        assert (await meter.transfer_keys({0: new}, name="0-0:43.0.1*255")).keys
        await exercise(meter)

    how = {"form": "envelope", "message_key": "wrapped", **known(pair)}
    pair.run(kept_security(store, NAME, **how), change)
    assert pair.fleet[0].transaction_floor(1) > 0
    store.put(NAME, "encryption_key", new)
    store.raise_next(NAME, "send", pair.fleet[0].receive_floor(1) + 1)
    security = kept_security(store, NAME, **how)
    assert security.transaction_offset > 0
    pair.run(security, exercise)


def test_certificates_of_the_store_are_checked(store: KeyStore) -> None:
    pair = suites(1)
    filled(store, pair)
    usual = known(pair)
    del usual["suite"]  # HighECDSA says it
    pair.run(kept_security(store, NAME, **usual), exercise)
    late = known(pair) | {"at": datetime(2200, 1, 1, tzinfo=UTC)}
    with pytest.raises(CertificateError) as expired:
        kept_security(store, NAME, **late)
    assert expired.value.reason is Reason.EXPIRED
    with pytest.raises(UsageError, match="at"):
        kept_security(store, NAME, **known(pair) | {"at": None})
    with pytest.raises(UsageError, match="is kept"):
        kept_security(store, "m2")
    store.remove_certificate(pair.fleet.authority.root)
    with pytest.raises(CertificateError, match="root"):
        kept_security(store, NAME, **known(pair))
