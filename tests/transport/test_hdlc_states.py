"""Every state and every happening of both tables, done to real stations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from test_hdlc_stations import (
    COMMAND,
    LINK,
    RESPONSE,
    controls,
    events,
    primary,
    secondary,
    to_client,
    to_server,
)

from ferraris.core.errors import LineError, SequenceError
from ferraris.core.layer import Closed, To
from ferraris.transport.hdlc.primary import Primary
from ferraris.transport.hdlc.secondary import Secondary
from ferraris.transport.hdlc.states import PRIMARY, SECONDARY, Happening, State, step


def client_in(state: State) -> Primary:
    if state in {State.NDM, State.SETTING_MODE}:
        layer = Primary(16, 1, max_tries=2)
        if state is State.SETTING_MODE:
            layer.open(0.0)
            assert controls(layer) == [0x93]
        return layer
    layer = primary(max_tries=2)
    if state is State.NRM_POLLED:
        layer.send(b"ask", 0.0)
        assert controls(layer) == [0x10]
    elif state is State.DISCONNECTING:
        layer.close(0.0)
        assert controls(layer) == [0x53]
    events(layer)
    return layer


def poll(layer: Primary) -> None:
    if layer.room:
        layer.send(b"ask", 0.0)
    controls(layer)


def repeat(layer: Primary, times: int = 1) -> None:
    for _ in range(times):
        if layer.deadline is not None:
            now = layer.deadline
            layer.wake(now)
            if times > 1:
                controls(layer, now)


CLIENT_HAPPENINGS: dict[Happening, Callable[[Primary], Any]] = {
    Happening.CONNECT: lambda layer: layer.open(0.0),
    Happening.UA: lambda layer: to_client(layer, 0x73),
    Happening.DM: lambda layer: to_client(layer, 0x1F),
    Happening.FRMR: lambda layer: to_client(layer, 0x97, bytes.fromhex("100001")),
    Happening.POLL: poll,
    Happening.FINAL: lambda layer: to_client(layer, 0x31),
    Happening.REPEAT: repeat,
    Happening.SILENCE: lambda layer: repeat(layer, 2),
    Happening.DISCONNECT: lambda layer: layer.close(0.0),
    Happening.LOST: lambda layer: layer.notice(Closed(LineError("cut")), 0.0),
    Happening.SNRM: lambda layer: to_client(layer, 0x93),
    Happening.DISC: lambda layer: to_client(layer, 0x53),
    Happening.INACTIVITY: lambda layer: layer.wake(1e6) if layer.deadline is None else None,
}

# What is asked of a station from above in a state that the table leaves out, and where it leads.
CLIENT_BESIDES = {
    (State.SETTING_MODE, Happening.DISCONNECT): State.NDM,  # by silence: nothing was agreed
    (State.NRM, Happening.SILENCE): State.NRM,  # nobody was asked anything
}


@pytest.mark.parametrize("happening", list(Happening))
@pytest.mark.parametrize("state", list(PRIMARY))
def test_primary(state: State, happening: Happening) -> None:
    layer = client_in(state)
    CLIENT_HAPPENINGS[happening](layer)
    expected = CLIENT_BESIDES.get((state, happening), PRIMARY[state].get(happening, state))
    assert layer._state is expected
    closed = [what for what in events(layer) if type(what) is Closed]
    assert len(closed) == (expected is State.NDM and state is not State.NDM)
    usable(layer, expected)


def usable(layer: Primary, state: State) -> None:
    """Whatever happened: it ends by itself or serves, and a new link can be opened after."""
    controls(layer)
    for _ in range(20):
        if layer.deadline is None:
            break
        now = layer.deadline
        layer.wake(now)
        controls(layer, now, expecting=False)
    assert layer.deadline is None
    assert not layer.expects
    if layer._state is State.NDM:
        layer.open(1e3)
        assert controls(layer, 1e3) == [0x93]
        to_client(layer, 0x73, now=1e3)
    assert layer.room


def server_in(state: State) -> Secondary:
    if state is State.NDM:
        layer = Secondary()
        layer.open(0.0)
        return layer
    layer = secondary()
    if state is State.NRM_POLLED:
        to_server(layer, 0x10, COMMAND + b"ask")
    elif state is State.FRAME_REJECTED:
        to_server(layer, 0xBF)
        assert controls(layer) == [0x97]
    events(layer)
    return layer


def give_back(layer: Secondary) -> None:
    layer.wake(1.0)
    controls(layer, 1.0)


SERVER_HAPPENINGS: dict[Happening, Callable[[Secondary], Any]] = {
    Happening.SNRM: lambda layer: to_server(layer, 0x93),
    Happening.DISC: lambda layer: to_server(layer, 0x53),
    Happening.POLL: lambda layer: to_server(layer, 0x11),
    Happening.FINAL: give_back,
    Happening.FRMR: lambda layer: to_server(layer, 0xBF & ~0x10),
    Happening.INACTIVITY: lambda layer: layer.wake(121.0),
    Happening.DISCONNECT: lambda layer: layer.close(0.0),
    Happening.LOST: lambda layer: layer.notice(Closed(LineError("cut")), 0.0),
    Happening.UA: lambda layer: to_server(layer, 0x73),
    Happening.DM: lambda layer: to_server(layer, 0x1F),
    Happening.CONNECT: lambda layer: layer.open(0.0),
    Happening.REPEAT: lambda layer: layer.cancel(0.0),
    Happening.SILENCE: lambda layer: layer.receive(b"~\xa0\x07", 0.0),
}


@pytest.mark.parametrize("happening", list(Happening))
@pytest.mark.parametrize("state", list(SECONDARY))
def test_secondary(state: State, happening: Happening) -> None:
    layer = server_in(state)
    SERVER_HAPPENINGS[happening](layer)
    expected = SECONDARY[state].get(happening, state)
    link = layer.link(LINK)
    assert (State.NDM if link is None else link.state) is expected
    while layer.transmit(0.0) is not None:
        events(layer)
    if happening in {Happening.DISCONNECT, Happening.LOST}:
        layer.open(500.0)
    to_server(layer, 0x93, now=500.0)
    assert 0x73 in controls(layer, 500.0), "a new link can always be made"
    events(layer)
    to_server(layer, 0x10, COMMAND + b"ask", now=500.0)
    layer.send(To(LINK, b"answer"), 500.0)
    assert controls(layer, 500.0) == [0x30]


def test_steps_outside_the_tables() -> None:
    for table in (PRIMARY, SECONDARY):
        for state in State:
            for happening in Happening:
                if happening not in table.get(state, {}):
                    with pytest.raises(SequenceError):
                        step(table, state, happening)


def test_information_in_every_state_of_a_primary() -> None:
    for state in PRIMARY:
        layer = client_in(state)
        to_client(layer, 0x10, RESPONSE + b"x")
        assert layer._state in {state, State.NRM}
        delivered = [what for what in events(layer) if hasattr(what, "unit")]
        assert len(delivered) == (state in {State.NRM, State.NRM_POLLED})
