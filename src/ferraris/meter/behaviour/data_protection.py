"""Data protection: what a meter lists, how it protects that, and what it requires of others."""

from __future__ import annotations

from collections.abc import Sequence

from ferraris.data.kinds import enum, null_data
from ferraris.data.obis import Obis
from ferraris.messaging.dlms.security.data_layers import LayerKind, wished
from ferraris.meter.behaviour.behaviour import Behaviour
from ferraris.model import data_protection
from ferraris.model.data_protection import (
    KeyInformation,
    ProtectionOptions,
    ProtectionParameters,
)
from ferraris.model.references import RestrictedObject, Restriction

__all__ = ["DataProtection"]


class DataProtection(Behaviour):
    """What the server engine needs to know of an object of class 30.

    `objects` are those of the buffer by class, name and attribute; they are authenticated and
    encrypted until a client writes other parameters. `required` has the bits of attribute 6.
    """

    declares = data_protection.DataProtection

    def __init__(
        self, name: str, objects: Sequence[tuple[int, str, int]], required: int = 0
    ) -> None:
        declared = self.declares
        listed = [
            RestrictedObject(class_id, Obis.parse(each), index, 0, Restriction(0, null_data()))
            for class_id, each, index in objects
        ]
        kind, options = wished(LayerKind.BOTH).fields
        layer = ProtectionParameters(
            kind, ProtectionOptions(*options[:4], KeyInformation(*options[4]))
        )
        parameters = declared.protection_parameters_get.type.dump([layer])
        objects_data = declared.protection_object_list.type.dump(listed)
        super().__init__(name, {3: objects_data, 4: parameters, 5: parameters, 6: enum(required)})
