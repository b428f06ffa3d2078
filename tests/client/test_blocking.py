"""The blocking twin: the same methods with the same arguments, each of which blocks."""

from __future__ import annotations

import inspect

import pytest

from ferraris.client.blocking import BlockingMeter
from ferraris.client.meter import Meter

FACE = [
    name
    for name, member in vars(Meter).items()
    if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
]


@pytest.mark.parametrize("name", FACE)
def test_every_method_has_its_twin(name: str) -> None:
    own, twin = vars(Meter)[name], vars(BlockingMeter).get(name)
    assert twin is not None, f"BlockingMeter.{name} is missing"
    assert twin.__doc__ if isinstance(twin, property) else inspect.getdoc(twin)
    if isinstance(own, property):
        assert isinstance(twin, property)
        return
    assert not inspect.iscoroutinefunction(twin)
    signature = inspect.signature(own)
    # How to wait is the one thing that differs.
    same = [each for name, each in signature.parameters.items() if name != "pause"]
    assert inspect.signature(twin) == signature.replace(parameters=same)


def test_a_script_without_an_event_loop_does_many_things_at_once() -> None:
    import ferraris
    from ferraris.client import Act, Read, ReadData
    from ferraris.model.data_storage import Register
    from ferraris.model.time_control import DisconnectControl

    switch = "0-0:96.3.10"
    with ferraris.open("sim://residential?seed=3") as meter:
        assert [each.value for each in meter.get_many([Read(Register.scaler_unit, "1.8.0")])] == [
            (0, 30)
        ]
        (done,) = meter.act_many([Act(DisconnectControl.remote_disconnect, switch, 0)])
        assert done.done
        state, name = meter.do(
            [Read(DisconnectControl.output_state, switch), ReadData(1, "0-0:42.0.0", 2)]
        )
        assert state.value is False
        assert name.value[0] == 9
