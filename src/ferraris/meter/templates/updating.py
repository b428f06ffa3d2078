"""What a template needs so that its meters take other firmware."""

from __future__ import annotations

from collections.abc import Iterator

from ferraris.data.kinds import integer
from ferraris.data.obis import Obis
from ferraris.meter.behaviour.firmware import FirmwareSignature, FirmwareVersion
from ferraris.meter.behaviour.image_transfer import ImageTransfer
from ferraris.meter.behaviour.scripts import Schedule, Scripts
from ferraris.meter.template import Placed
from ferraris.model.time_control import Script, ScriptAction, ServiceId

__all__ = ["FIRST_FIRMWARE", "IMAGE_TRANSFER", "firmware_objects"]

FIRST_FIRMWARE = "FRR-R1.0"
"""The version that new meters run."""

IMAGE_TRANSFER = "0-0:44.0.0*255"
_SCRIPTS, _SCHEDULE = "0-0:10.0.107*255", "0-0:15.0.2*255"
_ACTIVATE = 1


def firmware_objects(
    medium: str, everybody: frozenset[int], readers: frozenset[int], managers: frozenset[int]
) -> Iterator[Placed]:
    """Version and signature, image transfer, and the schedule that activates an image at a time.

    `medium` is the first part of the names: `1-0` for electricity.
    """
    yield Placed(FirmwareVersion(f"{medium}:0.2.0*255", FIRST_FIRMWARE), everybody)
    yield Placed(FirmwareSignature(f"{medium}:0.2.8*255", FIRST_FIRMWARE), readers)
    transfer = ImageTransfer(IMAGE_TRANSFER)
    methods = dict.fromkeys(transfer.declares.methods, managers)
    yield Placed(transfer, readers, {5: managers}, methods)
    action = ScriptAction(ServiceId.EXECUTE, 18, Obis.parse(IMAGE_TRANSFER), 4, integer(0))
    yield Placed(Scripts(_SCRIPTS, [Script(_ACTIVATE, [action])]), readers, methods={1: managers})
    yield Placed(Schedule(_SCHEDULE, _SCRIPTS, _ACTIVATE), readers, {4: managers})
