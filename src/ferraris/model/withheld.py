"""Attributes that hold secrets: passwords, personal identification numbers, keys.

Whoever writes down what a meter says leaves these out, also where a meter tells them. That they are
secrets follows from what the attributes are for; where classes are undeclared, their numbers rest
on [memory].
"""

from __future__ import annotations

from ferraris.data.obis import Obis

__all__ = ["is_secret"]

_SECRETS: dict[int, frozenset[int]] = {
    15: frozenset((7,)),  # secret
    19: frozenset((7, 8, 9)),  # passwords of the local port
    30: frozenset((4, 5)),  # parameters of data protection, with wrapped keys
    44: frozenset((5,)),  # PPP authentication: user name and password
    45: frozenset((3,)),  # PIN code
    46: frozenset((3, 4)),  # user name and password of a mail server
    91: frozenset((5,)),  # keys of the medium access of G3
    100: frozenset((6, 7)),  # keys of time servers
    115: frozenset((2,)),  # a token is money
}
_SECRET_CLASSES = frozenset((101,))
"""Start-up of ZigBee: there are keys among attributes that are not known one by one [memory]."""
_SECRET_OBJECTS = frozenset(
    (
        bytes(Obis.of(0, 0, 94, 39, 1)),  # password of the valve of Italian gas meters [facts-g]
        *(bytes(Obis.of(0, 0, 96, 12, number)) for number in (2,)),  # password of a port [memory]
    )
)
_DATA = 1


def is_secret(class_id: int, logical_name: bytes, attribute: int) -> bool:
    """Whether an attribute of an object is never to be written down."""
    if class_id == _DATA and attribute != 1 and bytes(logical_name) in _SECRET_OBJECTS:
        return True
    if class_id in _SECRET_CLASSES:
        return attribute != 1
    return attribute in _SECRETS.get(class_id, ())
