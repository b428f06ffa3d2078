"""Carrying out what a client asks of one attribute or one method: rights, types, then the device.

Shared by all services; each says in its own words what a refusal means [facts-g], where the
standard leaves a choice [memory]:

* object not in this association: object-undefined; its name with another class:
  object-class-inconsistent;
* attribute or method that the class does not have: object-undefined; attribute 0 (all at once),
  missing right, a request less protected than the right demands, or an answer that cannot be
  protected as it demands: read-write-denied;
* access selector that the attribute does not offer: other-reason; a parameter of the wrong form,
  or data of another type than declared: type-unmatched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ferraris.core.errors import DecodeError
from ferraris.data import axdr
from ferraris.data.types import DataType
from ferraris.messaging.dlms.action import ActionOutcome
from ferraris.messaging.dlms.enumerations import ActionResult, DataAccessResult
from ferraris.messaging.dlms.names import AttributeDescriptor, MethodDescriptor, Selection
from ferraris.server import association_object, association_short_names, data_protection
from ferraris.server.device import (
    Access,
    AccessMode,
    AccessRefused,
    ActionRefused,
    ObjectEntry,
    ObjectKey,
)
from ferraris.server.rights import (
    answer_protection,
    check_protection,
    check_right,
    check_selection,
    find,
    knows,
    request_protection,
)

__all__ = ["act", "acted", "plainly_readable", "read", "write", "written"]

_NULL_DATA = b"\x00"
_SUCCESS = DataAccessResult.SUCCESS

# Plain numbers: operators of flag enumerations cost more than the rest of a GET.
_READ = int(AccessMode.READ)
_WRITE = int(AccessMode.WRITE)


def read(
    attribute: AttributeDescriptor,
    selection: Selection | None,
    access: Access,
) -> bytes:
    """The encoded data of one attribute; raises `AccessRefused`."""
    target = _target(attribute, access)
    check_protection(target.protection, target.answer_protection, access.context)
    if selection is not None:
        check_selection(selection, target.selectors, access)
    try:
        if target.answer is None:
            octets: bytes = access.device.get(target.entry, attribute[2], selection, access.context)
            return octets
        return target.answer(access, target.entry, attribute[2], selection)
    except DecodeError as error:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED, str(error)) from error


def plainly_readable(attribute: AttributeDescriptor, access: Access) -> ObjectEntry | None:
    """The object of an attribute that the device itself tells, to a request without protection."""
    try:
        target = _target(attribute, access)
    except AccessRefused:
        return None
    if target.protection or target.answer_protection or target.answer is not None:
        return None
    return target.entry


def write(
    attribute: AttributeDescriptor,
    selection: Selection | None,
    data: bytes,
    access: Access,
) -> None:
    """Write encoded data to one attribute; raises `AccessRefused`."""
    class_id, logical_name, index = attribute
    entry = find(class_id, logical_name, access)
    rights = access.association.rights.objects[class_id, logical_name]
    mode = rights.attributes.get(index)
    check_right(mode, _WRITE, knows(entry, index, "attributes"), index)
    _check_protection(mode or 0, access)
    if selection is not None:
        check_selection(selection, rights.selectors.get(index, ()), access)
    declared = entry.declaration.attributes.get(index) if entry.declaration else None
    try:
        _check_type(data, declared.type if declared and selection is None else None)
        if data_protection.is_buffer(class_id, index):
            data_protection.accept(access, entry, data, _ENGINE)
            return
        access.device.set(entry, index, data, selection, access.context)
    except DecodeError as error:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED, str(error)) from error


def act(
    method: MethodDescriptor,
    data: bytes | None,
    access: Access,
) -> bytes | None:
    """Invoke one method; returns encoded data or None; raises `ActionRefused`.

    A parameter of null-data counts as none, and a method whose parameter only fills the place may
    come without one: clients differ in both.
    """
    class_id, logical_name, index = method
    try:
        entry = find(class_id, logical_name, access)
        mode = access.association.rights.objects[class_id, logical_name].methods.get(index)
        check_right(mode, _READ, knows(entry, index, "methods"), index)
        _check_protection(mode or 0, access)
    except AccessRefused as refused:
        raise ActionRefused(ActionResult(refused.result), refused.message) from refused
    if association_object.is_handshake(class_id, index):
        raise ActionRefused(ActionResult.READ_WRITE_DENIED, "the handshake is over")
    if data == _NULL_DATA:
        data = None
    declared = entry.declaration.methods.get(index) if entry.declaration else None
    try:
        if data is not None:
            _check_type(data, declared.type if declared else None)
        query = association_short_names.query_for(class_id, index)
        if query is not None:
            return query(access, data or _NULL_DATA, read)
        if data_protection.is_method(class_id, index):
            return data_protection.act(access, entry, index, data, _ENGINE)
        return access.device.act(entry, index, data, access.context)
    except DecodeError as error:
        raise ActionRefused(ActionResult.TYPE_UNMATCHED, str(error)) from error


def written(
    attribute: AttributeDescriptor,
    selection: Selection | None,
    data: bytes,
    access: Access,
) -> DataAccessResult:
    """Write one attribute; how that ended."""
    try:
        write(attribute, selection, data, access)
    except AccessRefused as refused:
        return refused.result
    return _SUCCESS


def acted(
    method: MethodDescriptor,
    data: bytes | None,
    access: Access,
) -> ActionOutcome:
    """Invoke one method; how that ended, and what it returned."""
    try:
        returned = act(method, data, access)
    except ActionRefused as refused:
        return ActionOutcome(refused.result)
    return ActionOutcome(ActionResult.SUCCESS, returned)


class _Readable(NamedTuple):
    """An attribute that the association may read: worked out once, kept in its rights."""

    objects: Mapping[ObjectKey, ObjectEntry]
    entry: ObjectEntry
    protection: int
    answer_protection: int
    selectors: tuple[int, ...]
    answer: association_object.Answer | None


def _target(attribute: AttributeDescriptor, access: Access) -> _Readable:
    """What is known of the attribute when it may be read; raises `AccessRefused`."""
    target: _Readable | None = access.association.rights.readable.get(attribute)
    if target is None or target.objects is not access.device.objects:
        return _readable(attribute, access)
    return target


def _readable(attribute: AttributeDescriptor, access: Access) -> _Readable:
    class_id, logical_name, index = attribute
    entry = find(class_id, logical_name, access)
    rights = access.association.rights.objects[class_id, logical_name]
    mode = rights.attributes.get(index, _READ if index == 1 else None)
    check_right(mode, _READ, knows(entry, index, "attributes"), index)
    target = _Readable(
        access.device.objects,
        entry,
        request_protection(mode or 0, access.association),
        answer_protection(mode or 0),
        rights.selectors.get(index, ()),
        association_object.answer_for(class_id, index)
        or association_short_names.answer_for(class_id, index)
        or data_protection.answer_for(class_id, index, _ENGINE),
    )
    # Only what exists and may be read is kept, so a client cannot make this grow.
    access.association.rights.readable[attribute] = target
    return target


def _check_protection(mode: int, access: Access) -> None:
    needed = request_protection(mode, access.association)
    check_protection(needed, answer_protection(mode), access.context)


def _check_type(octets: bytes, declared: DataType[Any] | None) -> None:
    """Raise `DecodeError` unless the octets are one data of the type declared."""
    data = axdr.decode(octets)
    if declared is not None:
        declared.load(data)


_ENGINE = data_protection.Engine(read, write, act)
