"""Services by logical name over an association with short names: names are looked up on the way.

The procedures of the client speak of classes, logical names and indices. Here their requests become
READ and WRITE of short names, and the answers become those that the procedures expect. Base names
come from the object list of the current association, asked once for each kind of meter; offsets of
attributes and methods from the declarations of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from ferraris.client import short_name_services as services
from ferraris.client.kind import Kind
from ferraris.core.errors import DecodeError, Error, RefusedError, UsageError
from ferraris.line.driver import Driver
from ferraris.messaging.dlms.action import (
    ActionOutcome,
    ActionRequestNormal,
    ActionRequestWithList,
    ActionResponseNormal,
    ActionResponseWithList,
)
from ferraris.messaging.dlms.apdu import Apdu
from ferraris.messaging.dlms.association.client import ClientAssociation
from ferraris.messaging.dlms.association.parameters import Negotiated
from ferraris.messaging.dlms.conformance import Conformance
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.get import (
    GetRequestNormal,
    GetRequestWithList,
    GetResponseNormal,
    GetResponseWithList,
)
from ferraris.messaging.dlms.invoke import CONFIRMED
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.messaging.dlms.set import (
    SetRequestNormal,
    SetRequestWithList,
    SetResponseNormal,
    SetResponseWithList,
)
from ferraris.messaging.dlms.short_name import (
    ParameterisedAccess,
    UnconfirmedWriteRequest,
    VariableAccess,
    VariableName,
)
from ferraris.model.access_control import AccessRight, ObjectListElement
from ferraris.model.registry import find
from ferraris.model.short_names import (
    CURRENT_ASSOCIATION_LOGICAL_NAME,
    CURRENT_ASSOCIATION_NAME,
    AssociationSn,
    AssociationSnV1,
    NamedObject,
    attribute_name,
    unsigned_name,
)

__all__ = ["ShortNames"]

_SUCCESS = DataAccessResult.SUCCESS
_METHOD = 0  # the selector by which a READ invokes a method [facts-g]
_NULL_DATA = b"\x00"
_NOTHING = b"\x0f\x00"  # parameter of a method that takes none: integer 0 [facts-g]
_LOGICAL = int(
    Conformance.GET | Conformance.SET | Conformance.ACTION | Conformance.SELECTIVE_ACCESS
)
_EITHER = int(Conformance.MULTIPLE_REFERENCES)
_LAST_ACTION_RESULT = 14  # up to here the two enumerations of results are the same [asn1]


class ShortNames:
    """A driver in front of another one, for the procedures that speak of logical names.

    `kind` gives what is known of the kind of meter; its `names` are filled in. Requests by short
    name are passed on as they are. Errors are those of the services by logical name, and
    `UsageError` for a method whose place is not known.
    """

    def __init__(
        self,
        driver: Driver[Apdu, Apdu],
        association: ClientAssociation,
        kind: Callable[[], Kind],
    ) -> None:
        self._driver = driver
        self._association = association
        self._kind = kind
        self._names: dict[tuple[int, bytes], NamedObject] | None = None

    @property
    def terms(self) -> Negotiated:
        """What the procedures may rely on: any size goes, since blocks are made here."""
        agreed = self._agreed
        return Negotiated(_LOGICAL | agreed.conformance & _EITHER, 0, agreed.max_receive)

    async def open(self) -> None:
        """Open the stack below."""
        await self._driver.open()

    async def close(self) -> None:
        """Close the stack below."""
        await self._driver.close()

    async def exchange(self, unit: Apdu) -> Apdu:
        """Carry out one request, by whichever kind of name, and give its answer."""
        if isinstance(unit, GetRequestNormal):
            (found,) = await self._read([(unit.attribute, unit.selection)])
            if isinstance(found, bytes):
                return GetResponseNormal(unit.invoke_id_and_priority, _SUCCESS, found)
            return GetResponseNormal(unit.invoke_id_and_priority, found)
        if isinstance(unit, GetRequestWithList):
            results = await self._read(unit.attributes)
            return GetResponseWithList(unit.invoke_id_and_priority, results)
        if isinstance(unit, (SetRequestNormal, SetRequestWithList)):
            return await self._set(unit)
        if isinstance(unit, (ActionRequestNormal, ActionRequestWithList)):
            return await self._action(unit)
        return await self._driver.exchange(unit)

    async def object_list(self) -> list[ObjectListElement]:
        """The objects that this client sees, with their rights where the meter tells them."""
        names = await self._known()
        rights = await self._rights(names)
        nothing = AccessRight([], [])
        return [
            ObjectListElement(
                named.class_id,
                named.version,
                named.logical_name,
                rights.get(named.base_name, nothing),
            )
            for named in names.values()
        ]

    # -- names ----------------------------------------------------------------------------

    @property
    def _agreed(self) -> Negotiated:
        agreed = self._association.negotiated
        if agreed is None:
            raise UsageError("the association is not open", where="client")
        return agreed

    @property
    def _services(self) -> services.Terms:
        return services.Terms(self._driver, self._agreed, self._association.parameters.ciphered)

    async def _known(self) -> dict[tuple[int, bytes], NamedObject]:
        kind = self._kind()
        if kind.names is None:
            if self._names is None:
                self._names = await self._listed()
            kind.names = self._names
        return kind.names

    async def _listed(self) -> dict[tuple[int, bytes], NamedObject]:
        target = AttributeDescriptor(
            AssociationSn.class_id,
            CURRENT_ASSOCIATION_LOGICAL_NAME,
            AssociationSn.object_list.index,
        )
        octets = await self._own_attribute(target)
        listed = AssociationSn.object_list.type.read(octets)
        return {(named.class_id, bytes(named.logical_name)): named for named in listed}

    async def _own_attribute(self, target: AttributeDescriptor) -> bytes:
        name = attribute_name(CURRENT_ASSOCIATION_NAME, target.attribute)
        (found,) = await services.read(self._services, [(target, VariableName(name))])
        if not isinstance(found, bytes):
            raise services.refused(target, found)
        return found

    async def _rights(self, names: dict[tuple[int, bytes], NamedObject]) -> dict[int, AccessRight]:
        own = names.get((AssociationSn.class_id, CURRENT_ASSOCIATION_LOGICAL_NAME))
        if own is None or own.version < AssociationSnV1.version:
            return {}
        attribute = AssociationSnV1.access_rights_list
        target = AttributeDescriptor(own.class_id, own.logical_name, attribute.index)
        with suppress(RefusedError, DecodeError):
            listed = attribute.type.read(await self._own_attribute(target))
            return {each.base_name: AccessRight(each.attributes, each.methods) for each in listed}
        return {}

    async def _find(
        self, descriptor: AttributeDescriptor | MethodDescriptor
    ) -> NamedObject | DataAccessResult:
        """The object that a descriptor speaks of, or the reason that a meter would give."""
        class_id, logical_name, _ = descriptor
        names = await self._known()
        named = names.get((class_id, bytes(logical_name)))
        if named is not None:
            return named
        if any(other == logical_name for _, other in names):
            return DataAccessResult.OBJECT_CLASS_INCONSISTENT
        return DataAccessResult.OBJECT_UNDEFINED

    async def _attribute(
        self, descriptor: AttributeDescriptor, selection: Selection | None
    ) -> VariableAccess | DataAccessResult:
        named = await self._find(descriptor)
        if isinstance(named, DataAccessResult):
            return named
        if descriptor.attribute < 1:
            raise UsageError("by short name attributes go one by one", where="client")
        name = attribute_name(unsigned_name(named.base_name), descriptor.attribute)
        return VariableName(name) if selection is None else ParameterisedAccess(name, selection)

    async def _method(self, descriptor: MethodDescriptor) -> tuple[int, bool] | DataAccessResult:
        """The short name of a method, and whether it returns something."""
        named = await self._find(descriptor)
        if isinstance(named, DataAccessResult):
            return named
        declared = find(named.class_id, named.version)
        method = None if declared is None else declared.methods.get(descriptor.method)
        offset = None if declared is None else declared.method_offset(descriptor.method)
        if method is None or offset is None:
            raise UsageError(
                f"the short name of method {descriptor.method} of class {named.class_id}, version "
                f"{named.version}, is not known",
                where="client",
            )
        return unsigned_name(named.base_name) + offset & 0xFFFF, method.returns is not None

    # -- services -------------------------------------------------------------------------

    async def _read(
        self, wanted: Sequence[tuple[AttributeDescriptor, Selection | None]]
    ) -> list[bytes | DataAccessResult]:
        placed = [await self._attribute(*each) for each in wanted]
        asked = [
            (descriptor, variable)
            for (descriptor, _), variable in zip(wanted, placed, strict=True)
            if not isinstance(variable, DataAccessResult)
        ]
        answers = iter(await services.read(self._services, asked) if asked else ())
        return [each if isinstance(each, DataAccessResult) else next(answers) for each in placed]

    async def _set(self, unit: SetRequestNormal | SetRequestWithList) -> Apdu:
        if isinstance(unit, SetRequestNormal):
            wanted, data = [(unit.attribute, unit.selection)], [unit.data]
        else:
            wanted, data = unit.attributes, unit.data
        placed = [await self._attribute(*each) for each in wanted]
        if not unit.invoke_id_and_priority & CONFIRMED:
            return await self._unconfirmed(unit, placed, data)
        results = await self._written([name for name, _ in wanted], placed, data)
        if isinstance(unit, SetRequestNormal):
            return SetResponseNormal(unit.invoke_id_and_priority, results[0])
        return SetResponseWithList(unit.invoke_id_and_priority, results)

    async def _written(
        self,
        names: Sequence[AttributeDescriptor | MethodDescriptor],
        placed: Sequence[VariableAccess | DataAccessResult],
        data: Sequence[bytes],
    ) -> list[DataAccessResult]:
        asked = [
            (descriptor, variable, value)
            for descriptor, variable, value in zip(names, placed, data, strict=True)
            if not isinstance(variable, DataAccessResult)
        ]
        answers = iter(await services.write(self._services, asked) if asked else ())
        return [each if isinstance(each, DataAccessResult) else next(answers) for each in placed]

    async def _unconfirmed(
        self,
        unit: Apdu,
        placed: Sequence[VariableAccess | DataAccessResult],
        data: Sequence[bytes],
    ) -> Apdu:
        """Write what has a place; what has none would be refused, and nobody would hear of it."""
        if not self._agreed.has(Conformance.UNCONFIRMED_WRITE):
            raise UsageError("the meter takes no unconfirmed writes", where="client")
        pairs = zip(placed, data, strict=True)
        going = [(each, value) for each, value in pairs if not isinstance(each, DataAccessResult)]
        if going:
            variables, values = [each for each, _ in going], [value for _, value in going]
            await self._driver.exchange(UnconfirmedWriteRequest(variables, values))
        return unit

    async def _action(self, unit: ActionRequestNormal | ActionRequestWithList) -> Apdu:
        methods: list[MethodDescriptor]
        given: Sequence[bytes | None]
        if isinstance(unit, ActionRequestNormal):
            methods, given = [unit.method], [unit.data]
        else:
            methods, given = unit.methods, unit.data
        placed = [await self._method(method) for method in methods]
        data = [_NOTHING if each == _NULL_DATA else each or _NOTHING for each in given]
        if not unit.invoke_id_and_priority & CONFIRMED:
            names = [
                each if isinstance(each, DataAccessResult) else VariableName(each[0])
                for each in placed
            ]
            return await self._unconfirmed(unit, names, data)
        outcomes = [await self._act(*each) for each in zip(methods, placed, data, strict=True)]
        if isinstance(unit, ActionRequestWithList):
            return ActionResponseWithList(unit.invoke_id_and_priority, outcomes)
        ((result, returned, _),) = outcomes
        return ActionResponseNormal(unit.invoke_id_and_priority, result, returned)

    async def _act(
        self,
        method: MethodDescriptor,
        place: tuple[int, bool] | DataAccessResult,
        data: bytes,
    ) -> ActionOutcome:
        """READ a method that returns something, WRITE one that does not [facts-g]."""
        if isinstance(place, DataAccessResult):
            return ActionOutcome(_action_result(place))
        name, returns = place
        if not returns:
            (result,) = await self._written([method], [VariableName(name)], [data])
            return ActionOutcome(_action_result(result))
        access = ParameterisedAccess(name, Selection(_METHOD, data))
        try:
            (found,) = await services.read(self._services, [(method, access)])
        except RefusedError:
            raise
        except Error as error:
            raise error.with_unknown_outcome() from error
        if isinstance(found, bytes):
            return ActionOutcome(ActionResult.SUCCESS, found)
        return ActionOutcome(_action_result(found))


def _action_result(result: DataAccessResult) -> ActionResult:
    return ActionResult(result if result <= _LAST_ACTION_RESULT else ActionResult.OTHER_REASON)
