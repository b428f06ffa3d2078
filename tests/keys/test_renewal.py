"""A meter's keys are renewed: in every order of happenings, and whenever the process dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.wrap import unwrap
from ferraris.data.readings import Outcome
from ferraris.keys import SEND, KeyStore
from ferraris.keys.renewal import KEY_IDS, Renewals
from ferraris.keys.states import RENEWAL, TRIED, Happening, Stage, State, step

SOURCES = str(Path(__file__).parents[2] / "src")
EK, AK, KEK = "encryption_key", "authentication_key", "master_key"
OLD = {EK: b"\x11" * 16, AK: b"\x22" * 16, KEK: b"\x33" * 16}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    with KeyStore.create(tmp_path / "keys.db", "passphrase", cost=2) as store:
        store.put_many(("m1", kind, key) for kind, key in OLD.items())
        yield store


@pytest.fixture
def renewals(store: KeyStore) -> Renewals:
    return Renewals(store, Random(1).randbytes)


def test_the_whole_way(store: KeyStore, renewals: Renewals) -> None:
    used = store.lease("m1", SEND, 40)
    store.raise_floor("m1", "receive", 30)
    renewals.prepare("m1", [EK, AK])
    assert renewals.kinds_to_try("m1", EK) == [EK]
    sent = renewals.send("m1", [EK, AK])
    assert [each.key_id for each in sent] == [0, 2]
    new = {kind: store.get("m1", "next_" + kind) for kind in (EK, AK)}
    assert [unwrap(OLD[KEK], each.wrapped) for each in sent] == [new[EK], new[AK]]
    assert renewals.operation("m1", [EK, AK]).outcome is Outcome.UNKNOWN
    assert renewals.kinds_to_try("m1", EK) == [EK, "next_" + EK]
    renewals.accepted("m1", [EK, AK])
    assert renewals.kinds_to_try("m1", EK) == ["next_" + EK, EK]
    assert store.lease("m1", SEND, 5, kind="next_" + EK) == range(1, 6), "a new key counts anew"
    store.raise_floor("m1", "receive", 7, kind="next_" + EK)
    renewals.proved("m1", [EK, AK])
    assert renewals.unsettled() == []
    assert {kind: store.get("m1", kind) for kind in (EK, AK)} == new
    assert store.get("m1", "previous_" + EK) == OLD[EK]
    assert store.lease("m1", SEND, 5) == range(6, 11)
    assert store.floor("m1") == 7
    assert store.lease("m1", SEND, 1, kind="previous_" + EK).start == used.stop
    assert store.floor("m1", kind="previous_" + EK) == 30
    assert renewals.operation("m1", [EK]).outcome is Outcome.DONE
    renewals.forget_previous("m1", [EK, AK])
    assert renewals.kinds_to_try("m1", EK) == [EK]


def test_a_transfer_without_an_answer_is_not_sent_again(renewals: Renewals) -> None:
    renewals.prepare("m1", [EK])
    first = renewals.send("m1", [EK])
    for act in (renewals.send, renewals.prepare, renewals.discard):
        with pytest.raises(UsageError, match=f"the {EK} of 'm1' is sent"):
            act("m1", [EK])
    renewals.not_followed("m1", [EK])
    assert renewals.send("m1", [EK]) == first, "the same key: the meter may have it after all"
    renewals.proved("m1", [EK])


def test_a_meter_that_refuses_or_goes_back(store: KeyStore, renewals: Renewals) -> None:
    renewals.prepare("m1", [EK])
    renewals.send("m1", [EK])
    renewals.refused("m1", [EK])
    assert renewals.state("m1", EK) is State.PREPARED
    renewals.send("m1", [EK])
    new = store.get("m1", "next_" + EK)
    renewals.proved("m1", [EK])
    renewals.went_back("m1", [EK])
    assert store.get("m1", EK) == OLD[EK]
    assert store.get("m1", "next_" + EK) == new
    renewals.discard("m1", [EK])
    with pytest.raises(UsageError):
        renewals.went_back("m1", [EK])
    with pytest.raises(UsageError, match="no next_encryption_key"):
        store.get("m1", "next_" + EK)


def test_a_new_master_key_is_proved_by_a_transfer_under_it(
    store: KeyStore, renewals: Renewals
) -> None:
    renewals.prepare("m1", [KEK, EK])
    (master,) = renewals.send("m1", [KEK])
    assert master.key_id == KEY_IDS[KEK] == 3
    new = unwrap(OLD[KEK], master.wrapped)
    with pytest.raises(UsageError, match="unknown: settle that first"):
        renewals.send("m1", [EK])
    renewals.accepted("m1", [KEK])
    (transfer,) = renewals.send("m1", [EK])
    assert unwrap(new, transfer.wrapped) == store.get("m1", "next_" + EK)
    renewals.refused("m1", [EK])
    assert renewals.state("m1", KEK) is State.ACCEPTED, "a refusal has many causes"
    renewals.send("m1", [EK])
    renewals.accepted("m1", [EK])
    assert store.get("m1", KEK) == new
    assert store.get("m1", "previous_" + KEK) == OLD[KEK]
    assert renewals.state("m1", EK) is State.ACCEPTED


def test_agreement(store: KeyStore, renewals: Renewals) -> None:
    renewals.ask("m1", EK)
    assert renewals.operation("m1", [EK]).outcome is Outcome.UNKNOWN
    renewals.not_followed("m1", [EK])
    renewals.ask("m1", EK)
    renewals.agreed("m1", EK, b"\x55" * 16)
    assert renewals.kinds_to_try("m1", EK) == ["next_" + EK, EK]
    renewals.proved("m1", [EK])
    assert store.get("m1", EK) == b"\x55" * 16


def test_all_kinds_or_none(store: KeyStore, renewals: Renewals) -> None:
    renewals.prepare("m1", [EK])
    with pytest.raises(UsageError):
        renewals.send("m1", [EK, AK])
    assert renewals.state("m1", EK) is State.PREPARED
    with pytest.raises(UsageError, match="is not renewed"):
        renewals.prepare("m1", ["password"])
    with pytest.raises(UsageError, match="16 or 32"):
        renewals.prepare("m1", [AK], 24)
    renewals.prepare("m1", [AK], 32)
    assert len(store.get("m1", "next_" + AK)) == 32


def test_first_keys_are_sent_like_later_ones(store: KeyStore, renewals: Renewals) -> None:
    store.put("m2", KEK, b"\x44" * 16)
    renewals.prepare("m2", [EK], 16)
    renewals.send("m2", [EK])
    renewals.proved("m2", [EK])
    assert renewals.kinds_to_try("m2", EK) == [EK]


def test_any_sequence_keeps_what_the_meter_may_have(store: KeyStore) -> None:
    """A meter that takes or loses transfers at random is always reached by a key to try."""
    chance = Random(5)
    renewals = Renewals(store, chance.randbytes)
    has, floor = OLD[EK], 0
    for _ in range(300):
        state = renewals.state("m1", EK)
        happening = chance.choice(list(RENEWAL[state]))
        if happening is Happening.PREPARE:
            renewals.prepare("m1", [EK])
        elif happening is Happening.DISCARD:
            renewals.discard("m1", [EK])
        elif happening is Happening.SEND:
            key = unwrap(OLD[KEK], renewals.send("m1", [EK])[0].wrapped)
            has = key if chance.random() < 0.6 else has
            answered = chance.random() < 0.5
            if answered:
                (renewals.accepted if has == key else renewals.refused)("m1", [EK])
        tried = [store.get("m1", kind) for kind in renewals.kinds_to_try("m1", EK)]
        assert has in tried
        if state in (State.SENT, State.ACCEPTED) and renewals.state("m1", EK) is state:
            kinds = renewals.kinds_to_try("m1", EK)
            proved = kinds[tried.index(has)] == "next_" + EK
            (renewals.proved if proved else renewals.not_followed)("m1", [EK])
            floor += proved
    assert floor > 10


def test_the_table_names_every_state_and_happening() -> None:
    assert set(RENEWAL) == set(TRIED) == set(State)
    assert {happening for row in RENEWAL.values() for happening in row} == set(Happening)
    reachable = {State.SETTLED}
    for _ in State:
        reachable |= {after for before in reachable for after in RENEWAL[before].values()}
    assert reachable == set(State)
    assert Stage.NEXT.value + EK == "next_encryption_key"
    with pytest.raises(UsageError):
        step(State.SENT, Happening.SEND, "it")


def test_a_destroyed_tenant_has_no_renewals(store: KeyStore, renewals: Renewals) -> None:
    store.create_tenant("north")
    store.put("north/m1", EK, OLD[EK])
    renewals.prepare("north/m1", [EK])
    store.destroy_tenant("north")
    assert renewals.unsettled() == []


RENEWING = """
import os, sys
from ferraris.keys import KeyStore
from ferraris.keys.renewal import Renewals
out, kinds = int(sys.argv[2]), ["encryption_key"]
with KeyStore.open(sys.argv[1], "passphrase") as store:
    renewals = Renewals(store)
    while True:
        state = renewals.state("m1", kinds[0]).value
        if state == "settled":
            renewals.prepare("m1", kinds)
        elif state == "prepared":
            (sent,) = renewals.send("m1", kinds)
            os.write(out, sent.wrapped.hex().encode() + b"\\n")
        elif state == "sent":
            renewals.accepted("m1", kinds)
        else:
            renewals.proved("m1", kinds)
        os.write(out, state.encode() + b"\\n")
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_process_killed_anywhere_loses_no_key(store: KeyStore, tmp_path: Path) -> None:
    """What was handed out last is known afterwards, and the renewal goes on from there."""
    chance, states, last = Random(2), set(), [""]
    for _ in range(8):
        reading, writing = os.pipe()
        worker = subprocess.Popen(
            [sys.executable, "-c", RENEWING, str(tmp_path / "keys.db"), str(writing)],
            pass_fds=(writing,),
            env={**os.environ, "PYTHONPATH": SOURCES},
        )
        os.close(writing)
        with open(reading) as pipe:
            lines = [pipe.readline() for _ in range(chance.randrange(5, 40))]
            worker.send_signal(signal.SIGKILL)
            assert worker.wait(timeout=20) == -signal.SIGKILL
            lines += pipe.readlines()
        last = [line for line in lines if len(line) == 49] or last
        handed_out = unwrap(OLD[KEK], bytes.fromhex(last[-1]))
        known = []
        for stage in Stage:
            try:
                known.append(store.get("m1", stage.value + EK))
            except UsageError:
                continue
        assert handed_out in known
        states.add(Renewals(store).state("m1", EK))
        store.lease("m1")
    assert len(states) > 1


def test_an_altered_master_key_sends_nothing(store: KeyStore, renewals: Renewals) -> None:
    renewals.prepare("m1", [EK])
    query = "UPDATE secret SET sealed = zeroblob(50) WHERE kind = 'master_key'"
    store._connection.execute(query)
    with pytest.raises(SecurityError, match="altered"):
        renewals.send("m1", [EK])
    assert renewals.state("m1", EK) is State.PREPARED
