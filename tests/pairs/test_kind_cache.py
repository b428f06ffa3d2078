"""What a firmware has in common is asked once, kept in a file, and not believed of another."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pairing import NOON, Pair

import ferraris
from ferraris.client.kind import Kind
from ferraris.client.kind_cache import KindCache
from ferraris.client.meter import Meter
from ferraris.client.security import Password
from ferraris.core.errors import DecodeError, RefusedError, UsageError
from ferraris.data.kinds import octet_string
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

UNTIL = datetime.fromtimestamp(NOON, UTC)
SINCE = UNTIL - timedelta(hours=1)


def learn(cache: KindCache, pair: Pair | None = None, index: int = 0) -> tuple[Kind, int]:
    """One session that uses everything a kind remembers; the kind and the requests it took."""
    pair = pair or Pair()
    requests: list[Any] = []

    async def procedure(meter: Meter) -> Kind:
        exchange = meter._driver.exchange

        async def counting(unit: Any) -> Any:
            requests.append(unit)
            return await exchange(unit)

        meter._driver.exchange = counting  # type: ignore[method-assign]
        meter.kind = await cache.recognise(meter, 2)
        await meter.object_list()
        await meter.profile("1-0:99.1.0", SINCE, UNTIL)
        await meter.read_many(["1-0:1.8.0", "0-0:96.14.0"])
        return meter.kind

    line = pair.fleet.line(index, "")
    kind = pair.run(Password(line["password"].encode()), procedure, server=line["server"])
    return kind, len(requests)


def test_the_second_meter_of_a_firmware_is_asked_less() -> None:
    cache = KindCache()
    fleet = Fleet(template("residential"), 2, seed=7)
    first, many = learn(cache, Pair(fleet=fleet))
    second, few = learn(cache, Pair(fleet=fleet), 1)
    assert first is second
    assert len(cache) == 1
    assert few < many
    assert few == 3  # firmware, rows, registers


def test_a_file_brings_it_back_whole(tmp_path: Path) -> None:
    file = tmp_path / "kinds.json"
    with KindCache(file) as cache:
        kind, _ = learn(cache)
        kind.lists = kind.access = False
    assert [each.name for each in tmp_path.iterdir()] == ["kinds.json"]
    again, few = learn(KindCache(file))
    assert again == kind
    assert few == 4  # this one is bad at lists: two registers, two requests


def test_a_file_that_does_not_tell_of_access_is_read_as_before(tmp_path: Path) -> None:
    file = tmp_path / "kinds.json"
    with KindCache(file) as cache:
        kind, _ = learn(cache)
    shape = json.loads(file.read_text())
    assert [each.pop("access") for each in shape["kinds"]] == [True]
    file.write_text(json.dumps(shape))
    again, _ = learn(KindCache(file))
    assert again == kind


def test_nothing_personal_or_secret_is_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "kinds.json"
    pair = Pair()
    with KindCache(file) as cache:
        learn(cache, pair)
    text = file.read_text()
    line = pair.fleet.line(0, "")
    for told in (line["id"], line["password"], line["encryption_key"], line["system_title"]):
        assert told not in text
        assert told.encode().hex() not in text


def test_another_firmware_maker_or_client_is_another_kind() -> None:
    cache = KindCache()
    first = cache.find("465252", b"1.0", 1)
    assert cache.find("465252", b"1.0", 1) is first
    for other in (("465252", b"1.1", 1), ("4b464d", b"1.0", 1), ("465252", b"1.0", 2)):
        assert cache.find(*other) is not first
    assert len(cache) == 4


def test_only_the_kinds_met_last_are_kept() -> None:
    cache = KindCache()
    first = cache.find("", b"\0", 1)
    for number in range(999):
        cache.find("", number.to_bytes(2, "big") + b"x", 1)
    assert cache.find("", b"\0", 1) is first
    cache.find("", b"one more", 1)
    cache.find("", b"and more", 1)
    assert len(cache) == 1000
    assert cache.find("", b"\0", 1) is first


class Silent:
    """A meter that does not tell its firmware, or tells nonsense."""

    system_title = b""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def get_data(self, *_: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("answer", [RefusedError("no"), octet_string(b""), (17, 3), (0, None)])
def test_a_meter_that_does_not_tell_has_a_kind_of_its_own(answer: Any) -> None:
    from ferraris.line.blocking import run

    cache = KindCache()
    assert run(cache.recognise(Silent(answer), 1)) == Kind()  # type: ignore[arg-type]
    assert len(cache) == 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 2, "kinds": []}', '{"version": 1, "kinds": [{}]}', "\x00"]
)
def test_a_damaged_file_is_named_with_the_remedy(text: str, tmp_path: Path) -> None:
    file = tmp_path / "kinds.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"kinds\.json.*delete it"):
        KindCache(file)


def test_altered_numbers_in_a_file_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "kinds.json"
    with KindCache(file) as cache:
        learn(cache)
    shape = json.loads(file.read_text())
    shape["kinds"][0]["objects"] = "0101"
    file.write_text(json.dumps(shape))
    with pytest.raises(UsageError):
        KindCache(file)


def test_a_layout_that_no_longer_fits_is_asked_for_again() -> None:
    pair = Pair()

    async def procedure(meter: Meter) -> int:
        layout = await meter.profile_layout("1-0:99.1.0")
        wrong = ferraris.ProfileLayout(
            layout.profile, layout.columns, layout.channels[:1], layout.clock, layout.status, 900
        )
        meter.kind.layouts[layout.profile] = wrong
        with pytest.raises(DecodeError):
            await meter.profile("1-0:99.1.0", SINCE, UNTIL)
        return len(await meter.profile("1-0:99.1.0", SINCE, UNTIL))

    assert pair.run(pair.security("gmac"), procedure) == 4


def test_connect_takes_it_as_an_argument(tmp_path: Path) -> None:
    with KindCache(tmp_path / "kinds.json") as kinds:
        for _ in range(2):
            with ferraris.open("sim://residential?seed=2", kinds=kinds) as meter:
                meter.read("1-0:1.8.0")
        assert len(kinds) == 1
