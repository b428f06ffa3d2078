"""A client's link over a server's link on bad lines: never a wrong unit, always an end."""

from __future__ import annotations

from random import Random

import pytest
from bad_line import Answerer, Asker, Line, Physics, answer_to

from ferraris.core.errors import LineError
from ferraris.core.layer import Closed, Deliver, Failed, Opened, Progress
from ferraris.core.stack import over
from ferraris.transport.hdlc.parameters import DEFAULT, Parameters
from ferraris.transport.hdlc.primary import Primary
from ferraris.transport.hdlc.secondary import Secondary

SEEDS = 60


def line(
    physics: Physics,
    seed: int,
    *,
    parameters: Parameters = DEFAULT,
    size: int = 700,
    slow_s: float = 0.0,
    max_tries: int = 12,
    silence_s: float = 60.0,
) -> Line:
    client = over(
        Asker(silence_s),
        Primary(
            1, 1, physical=17, parameters=parameters, response_timeout_s=1, max_tries=max_tries
        ),
    )
    server = over(
        Answerer(size, Random(seed), slow_s),
        Secondary(physical=17, parameters=Parameters(2030, 2030, 7, 7)),
    )
    found = Line(client, server, physics, seed)
    server.open(0.0)
    client.open(0.0)
    return found


def requests(seed: int, count: int, size: int) -> list[bytes]:
    chance = Random(seed)
    return [number.to_bytes(4, "big") + chance.randbytes(size) for number in range(count)]


def delivered(wire: Line) -> list[bytes]:
    return [what.unit for what in wire.events["client"] if type(what) is Deliver]


BAD = {
    "loss": Physics(loss=0.1),
    "heavy loss": Physics(loss=0.2),
    "duplicates": Physics(duplication=0.2),
    "damage": Physics(damage=0.1, cut=0.05),
    "noise": Physics(noise=0.2, longest_chunk=16),
    "everything": Physics(loss=0.05, duplication=0.05, damage=0.05, noise=0.1, cut=0.05),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("window", [1, 7])
def test_bad_lines(kind: str, window: int) -> None:
    parameters = Parameters(128, 128, window, window)
    for seed in range(SEEDS):
        wire = line(BAD[kind], seed, parameters=parameters, slow_s=0.5)
        asked = requests(seed, 4, 200)
        wire.to_send.extend(asked)
        wire.run(until=3600)
        assert not wire.failures(), f"seed {seed}"
        assert delivered(wire) == [answer_to(request, 700) for request in asked], f"seed {seed}"
        heard = [unit.unit for unit in wire.ends["server"].upper.heard]
        assert heard == asked, f"seed {seed}"
        wire.ends["client"].close(wire.now)
        wire.run(until=wire.now + 3600)
        assert type(wire.events["client"][-1]) is Closed


def test_a_good_line_needs_no_more_frames_than_it_must() -> None:
    wire = line(Physics(), 0)
    asked = requests(0, 3, 50)
    wire.to_send.extend(asked)
    wire.run(until=10)
    assert len(delivered(wire)) == 3
    # SNRM, UA; each request one frame, each answer six, five of them asked for by RR
    assert wire.units == 2 + 3 * (1 + 6 + 5)


def test_window_seven_asks_once_a_window() -> None:
    wire = line(Physics(), 0, parameters=Parameters(128, 128, 7, 7), size=7 * 128 - 11)
    wire.to_send.extend(requests(0, 1, 50))
    wire.run(until=10)
    assert wire.units == 2 + 1 + 7


def test_large_frames_are_negotiated() -> None:
    wire = line(Physics(), 0, parameters=Parameters(2030, 2030, 1, 1))
    wire.to_send.extend(requests(0, 1, 1500))
    wire.run(until=10)
    assert wire.units == 2 + 2
    assert len(delivered(wire)) == 1


def test_a_slow_line_lives_by_progress() -> None:
    """Two minutes on the wire, the silence above is two seconds."""
    wire = line(Physics(octets_per_second=30, longest_chunk=8), 0, silence_s=10, size=1500)
    wire.ends["client"].lower.response_timeout_s = 8
    wire.to_send.extend(requests(0, 1, 1500))
    wire.run(until=3600)
    assert len(delivered(wire)) == 1
    assert wire.now > 100
    assert not [what for what in wire.events["client"] if type(what) is Failed]


def test_a_silent_device_is_named() -> None:
    wire = line(Physics(loss=1.0), 0, max_tries=3)
    wire.run(until=100)
    (closed,) = wire.events["client"]
    assert type(closed.error) is LineError
    assert "client 1, server 1 in device 17" in str(closed.error)
    assert wire.units == 3


def test_a_device_that_dies_mid_way() -> None:
    wire = line(Physics(), 0, max_tries=3)
    wire.to_send.extend(requests(0, 1, 300))
    wire.run(until=0.055)
    assert wire.events["client"] == [Opened()]
    wire.dead = True
    wire.run(until=1000)
    assert type(wire.events["client"][-1]) is Closed
    assert len(wire.failures()) == 1
    assert type(wire.events["server"][-1]) is Closed, "inactivity"
    assert "no frame for 120 s" in str(wire.events["server"][-1].error)


def test_two_sessions_on_one_line() -> None:
    wire = line(Physics(), 0)
    for round_ in range(2):
        wire.to_send.extend(requests(round_, 1, 300))
        wire.run(until=wire.now + 5)
        wire.ends["client"].close(wire.now)
        wire.run(until=wire.now + 5)
        wire.ends["client"].open(wire.now)
    wire.run(until=wire.now + 5)
    assert [type(what) for what in wire.events["client"]] == [
        *(Opened, Deliver, Closed),
        *(Opened, Deliver, Closed),
        Opened,
    ]
    links = [type(what) for what in wire.events["server"] if type(what) is not Progress]
    assert links == [*(Opened, Closed) * 2, Opened]


@pytest.mark.parametrize("kind", ["close client", "lose client", "lose server", "close server"])
def test_an_end_at_every_moment(kind: str) -> None:
    """Whatever state an end comes in: it is told once above, and nobody waits for ever."""
    what, _, name = kind.partition(" ")
    for moment in range(45):
        wire = line(Physics(longest_chunk=8), 0, max_tries=3)
        wire.to_send.extend(requests(0, 1, 300))
        wire.run(until=moment * 0.005)
        end = wire.ends[name]
        if what == "close":
            end.close(wire.now)
        else:
            end.notice(Closed(LineError("cut")), wire.now)
            wire.dead = True
        wire.run(until=1000)
        closed = [what for what in wire.events[name] if type(what) is Closed]
        assert len(closed) == 1, f"moment {moment}"
        client = [what for what in wire.events["client"] if type(what) is Closed]
        idle = name == "server" and not client  # nothing was asked for any more
        assert len(client) == 1 or (idle and len(delivered(wire)) == 1), f"moment {moment}"
        assert all(not end.expects and end.deadline is None for end in wire.ends.values())


@pytest.mark.parametrize("window", [1, 7])
@pytest.mark.parametrize("share", [0.1, 1.0])
def test_frames_that_come_twice_do_not_multiply(window: int, share: float) -> None:
    parameters = Parameters(128, 128, window, window)
    for seed in range(SEEDS):
        wire = line(Physics(duplication=share), seed, parameters=parameters, size=60, max_tries=3)
        asked = requests(seed, 30, 50)
        wire.to_send.extend(asked)
        wire.run(until=600)
        assert not wire.failures(), f"seed {seed}"
        assert len(delivered(wire)) == 30
        # Of two equal polls each has an answer, and no answer a poll.
        assert wire.units <= 31 * (1 + 2), f"seed {seed}"
