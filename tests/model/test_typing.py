"""The type checker infers the Python type of an attribute from its declaration alone."""

from __future__ import annotations

from pathlib import Path

import pytest

EXPECTED = """
from typing import assert_type

from ferraris.data.date_time import DateTime
from ferraris.data.kinds import Data
from ferraris.data.obis import Obis
from ferraris.data.types import ScalerUnit
from ferraris.model.access_control import AssociationLn, AssociationLnV3, ObjectListElement
from ferraris.model.data_storage import CaptureObject, ProfileGeneric, Register
from ferraris.model.interface_class import Attribute, Method
from ferraris.model.push import PushObjectWithColumns, PushSetupV2
from ferraris.model.time_control import Clock, ControlState, DisconnectControl, PresetTime

assert_type(Register.value, Attribute[Data])
assert_type(Register.scaler_unit, Attribute[ScalerUnit])
assert_type(Register.logical_name, Attribute[Obis])
assert_type(Register.scaler_unit.type.load((0, None)), ScalerUnit)
assert_type(ProfileGeneric.capture_objects.type.load((0, None)), list[CaptureObject])
assert_type(Clock.time, Attribute[DateTime])
assert_type(DisconnectControl.control_state, Attribute[ControlState | int])
assert_type(AssociationLnV3.object_list, Attribute[list[ObjectListElement]])
assert_type(PushSetupV2.push_object_list, Attribute[list[PushObjectWithColumns]])
assert_type(Register.reset, Method[int, None])
assert_type(Clock.preset_adjusting_time, Method[PresetTime, None])
assert_type(AssociationLn.reply_to_hls_authentication, Method[bytes, bytes])
"""


def test_inference(tmp_path: Path, root: Path) -> None:
    api = pytest.importorskip("mypy.api")
    script = tmp_path / "inference.py"
    script.write_text(EXPECTED)
    arguments = ["--config-file", str(root / "pyproject.toml"), "--cache-dir", str(tmp_path)]
    output, errors, code = api.run([*arguments, "--follow-imports=silent", str(script)])
    assert code == 0, output + errors
