"""The columns of a shipment file, and how their cells become a meter and its secrets.

| column | holds |
|---|---|
| `external_id` | the name of the meter; the only one that must be there |
| `serial_number`, `maker`, `model`, `firmware`, `configuration`, `template` | texts |
| `kind` | meter, gateway, sub-meter |
| `behind`, `channel` | external id of the host, and the channel there |
| `node` | the segment where it hangs, which exists |
| `logical_device_name` | what the meter calls itself, if not by its id |
| `system_title` | 16 hexadecimal digits |
| `medium` | electricity, gas, water, heat, cooling, other |
| `zone` | IANA name |
| `address` | URL of the meter |
| `contact` | called, calls in, sleepy |
| `awake` | the only hours at which it is called, as 02:00-04:00 |
| `client`, `server` | addresses of the associations |
| `authentication` | none, password, md5, sha1, sha256, gmac, ecdsa |
| `suite` | security suite: 0, 1, 2 |
| `ciphering` | none, service, general, envelope, wrapped, one-pass, static; `+signed` signs as well |
| `first_authentication`, `first_client` | none, password, md5, sha1, sha256: by which it gets its first keys |
| `signing_certificate`, `agreement_certificate` | of the meter, in DER, hexadecimal or base64 |
| `companion` | a companion specification that is known here |
| `label.NAME` | labels |
| `encryption_key`, `authentication_key`, `broadcast_key`, `master_key`, `password`, `hls_secret` | wrapped under the transport key [rfc3394, rfc5649], hexadecimal |
| `plain_encryption_key` and so on | the same, not wrapped: taken only when that was allowed |
| `transport_key` | the name of the transport key, where it is not the same for all |
"""  # noqa: E501 (a table)

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import blake2b
from typing import Any, Final

from ferraris.core.errors import SecurityError, UsageError
from ferraris.crypto.certificates import Certificate
from ferraris.crypto.chains import Trust
from ferraris.headend.inventory.certificates import (
    CERTIFICATES,
    UnfitCertificateError,
    checked_certificate,
)
from ferraris.headend.inventory.checking import (
    check_label,
    check_place,
    check_security,
    check_value,
)
from ferraris.headend.inventory.records import Authentication, NewMeter
from ferraris.headend.inventory.shipment_file import LABEL_COLUMN, Row
from ferraris.headend.inventory.shipment_report import Findings
from ferraris.messaging.dlms.security.suites import SecuritySuite
from ferraris.model.companion import names as companions

__all__ = [
    "CERTIFICATES",
    "COLUMNS",
    "SECRETS",
    "Checking",
    "Draft",
    "Unwrap",
    "Unwrapping",
    "drafted",
]

SECRETS: Final = (
    "encryption_key",
    "authentication_key",
    "broadcast_key",
    "master_key",
    "password",
    "hls_secret",
)
"""Kinds of secrets that a maker delivers."""

_PLAIN = "plain_"
_WRAPPED_KEY_OCTETS = (24, 40)
_KEY_OCTETS = (16, 32)
_MOST_SECRET_OCTETS = 64
_KEYED = (Authentication.GMAC, Authentication.ECDSA)
_SECURED = ("authentication", "suite", "ciphering", "first_authentication", "first_client")
_DIGEST_OCTETS = 16
_TEXTS = (
    "external_id",
    "kind",
    "behind",
    "node",
    "logical_device_name",
    "serial_number",
    "maker",
    "model",
    "medium",
    "zone",
    "address",
    "contact",
    "awake",
    "authentication",
    "ciphering",
    "first_authentication",
    "companion",
    "template",
    "firmware",
    "configuration",
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A row that makes sense by itself: the meter, its secrets, and which columns it told.

    `delivered` is the digest of what the row says of the meter, then that of its wrapped keys.
    `certificates` are checked already.
    """

    row: int
    meter: NewMeter
    told: frozenset[str]
    secrets: Mapping[str, bytes] = field(repr=False)
    delivered: bytes = field(repr=False)
    plain: bool = False
    certificates: Mapping[str, Certificate] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Checking:
    """What certificates are held against: whom we trust, at which time."""

    trust: Callable[[], Trust]
    at: datetime


Unwrap = Callable[[bytes], bytes]
"""Opens what was wrapped under one key; `SecurityError` for anything else."""


@dataclass(slots=True)
class Unwrapping:
    """What opens wrapped cells: transport keys by name, and whether plain cells are allowed.

    `find` gives what a transport key does; `UsageError` when there is none. It counts how often it
    worked, as a wrong transport key fails everywhere.
    """

    find: Callable[[str], Unwrap]
    usual: str = ""
    plain: bool = False
    tried: int = 0
    failed: int = 0
    _found: dict[str, Unwrap | None] = field(default_factory=dict, repr=False)

    def key(self, name: str) -> Unwrap | None:
        """What opens cells by the transport key of a name, None when it is unknown or unusable."""
        if name not in self._found:
            try:
                self._found[name] = self.find(name)
            except UsageError:
                self._found[name] = None
        return self._found[name]


def drafted(row: Row, opening: Unwrapping, checking: Checking, findings: Findings) -> Draft | None:
    """The meter of a row, or None when something is wrong, all of which is noted."""
    before = findings.count
    values: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for column, cell in row.cells.items():
        try:
            if column.startswith(LABEL_COLUMN):
                name, value = check_label(column.removeprefix(LABEL_COLUMN), cell)
                labels |= {name: value} if value else {}
            elif column in _READ and (cell or column == "external_id"):
                values[column] = check_value(column, _READ[column](cell))
        except UsageError as error:
            findings.add(row.number, column, error.message.removeprefix(f"{column}: "))
    secrets = _secrets(row, opening, findings)
    if findings.count != before:
        return None
    meter = NewMeter(**values, labels=labels)
    _check_together(row.number, meter, secrets, findings)
    if findings.count != before:
        return None
    told = frozenset("labels" if each.startswith(LABEL_COLUMN) else each for each in row.cells)
    plain = any(row.cells.get(_PLAIN + kind) for kind in SECRETS)
    certificates = _certificates(row, meter, checking, findings)
    if findings.count != before:
        return None
    return Draft(row.number, meter, told & _FIELDS, secrets, _digest(row), plain, certificates)


def _check_together(
    row: int, meter: NewMeter, secrets: Mapping[str, bytes], findings: Findings
) -> None:
    try:
        check_value("labels", meter.labels)
        fields = ("kind", "behind", "channel", "node")
        check_place(meter.external_id, {name: getattr(meter, name) for name in fields})
        check_security({name: getattr(meter, name) for name in _SECURED})
    except UsageError as error:
        column, _, what = error.message.removeprefix(f"{meter.external_id}: ").partition(": ")
        findings.add(row, column, what)
    together = {"encryption_key", "authentication_key"}
    missing = together - secrets.keys()
    if meter.authentication in _KEYED and len(missing) == 1:
        findings.add(row, missing.pop(), "is missing", "both keys come together, or none")
    for kind in sorted(together & secrets.keys()):
        octets = SecuritySuite(meter.suite).key_octets
        if len(secrets[kind]) != octets:
            what = f"a key of suite {meter.suite} has {octets} octets, not {len(secrets[kind])}"
            findings.add(row, kind, what, "say which in the column suite")


def _certificates(
    row: Row, meter: NewMeter, checking: Checking, findings: Findings
) -> dict[str, Certificate]:
    found: dict[str, Certificate] = {}
    for column, usage in CERTIFICATES.items():
        cell = row.cells.get(column, "")
        if not cell:
            continue
        try:
            found[column] = checked_certificate(
                _der(cell),
                usage,
                suite=meter.suite,
                title=meter.system_title,
                trust=checking.trust(),
                at=checking.at,
            )
        except (_BadCellError, UnfitCertificateError) as error:
            findings.add(row.number, column, error.what, error.remedy)
    return found


def _der(cell: str) -> bytes:
    try:
        return bytes.fromhex(cell)
    except ValueError:
        pass
    try:
        return b64decode(cell, validate=True)
    except ValueError:
        raise _BadCellError("neither hexadecimal nor base64", "DER in one of them") from None


def _secrets(row: Row, opening: Unwrapping, findings: Findings) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    name = row.cells.get("transport_key") or opening.usual
    for kind in SECRETS:
        cell, plain = row.cells.get(kind, ""), row.cells.get(_PLAIN + kind, "")
        column = kind if cell else _PLAIN + kind
        if cell and plain:
            findings.add(row.number, kind, "wrapped and plain at once")
        if not cell and not plain:
            continue
        try:
            secret = _unwrapped(kind, cell, name, opening) if cell else _plain(kind, plain, opening)
            found[kind] = _fit(kind, secret)
        except _BadCellError as error:
            findings.add(row.number, column, error.what, error.remedy)
    return found


class _BadCellError(Exception):
    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def _unwrapped(kind: str, cell: str, name: str, opening: Unwrapping) -> bytes:
    wrapped = _hexadecimal(cell)
    if len(wrapped) in _KEY_OCTETS and kind.endswith("_key"):
        raise _BadCellError(
            f"{len(wrapped)} octets are a key that is not wrapped",
            f"wrapped keys have 8 octets more; plain ones stand in {_PLAIN}{kind}",
        )
    if not name:
        raise _BadCellError("no transport key is named", "say which, or fill transport_key")
    key = opening.key(name)
    if key is None:
        raise _BadCellError(
            f"there is no transport key {name!r} of 16, 24 or 32 octets",
            "put it into the key store first",
        )
    opening.tried += 1
    try:
        return key(wrapped)
    except SecurityError:
        opening.failed += 1
    raise _BadCellError(
        f"does not unwrap under the transport key {name!r}",
        "another transport key, or the cell was altered",
    ) from None


def _plain(kind: str, cell: str, opening: Unwrapping) -> bytes:
    if not opening.plain:
        raise _BadCellError(
            "is not wrapped", "have it wrapped by the maker, or allow plain keys explicitly"
        )
    return cell.encode() if kind == "password" else _hexadecimal(cell)


def _fit(kind: str, secret: bytes) -> bytes:
    if kind.endswith("_key") and len(secret) not in _KEY_OCTETS:
        raise _BadCellError(f"a key has 16 or 32 octets, not {len(secret)}")
    if not 0 < len(secret) <= _MOST_SECRET_OCTETS:
        raise _BadCellError(f"a secret has 1 to {_MOST_SECRET_OCTETS} octets")
    return secret


def _hexadecimal(cell: str) -> bytes:
    try:
        return bytes.fromhex(cell.replace(":", ""))
    except ValueError:
        raise _BadCellError("not hexadecimal") from None


def _title(cell: str) -> bytes:
    try:
        return bytes.fromhex(cell.replace(":", ""))
    except ValueError:
        raise UsageError("16 hexadecimal digits") from None


def _number(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) <= 9):
        raise UsageError("a whole number")
    return int(cell)


def _companion(cell: str) -> str:
    if cell not in _companions():
        raise UsageError(f"no such companion here; there are {', '.join(companions())}")
    return cell


@cache
def _companions() -> frozenset[str]:
    return frozenset(companions())


def _digest(row: Row) -> bytes:
    """What a row says, in whatever order its columns stand, without plain secrets."""
    plain = {_PLAIN + kind for kind in SECRETS}
    halves: tuple[dict[str, str], dict[str, str]] = ({}, {})
    for column, cell in row.cells.items():
        if cell and column not in plain and column != "transport_key":
            kept = cell.lower() if column in SECRETS else cell
            halves[column in SECRETS][column] = kept
    return b"".join(
        blake2b(repr(sorted(half.items())).encode(), digest_size=_DIGEST_OCTETS).digest()
        for half in halves
    )


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(_TEXTS, str),
    "companion": _companion,
    "channel": _number,
    "client": _number,
    "server": _number,
    "suite": _number,
    "first_client": _number,
    "system_title": _title,
}
_FIELDS: Final = frozenset({*_READ, "labels"}) - {"external_id"}

COLUMNS: Final = frozenset(
    {*_READ, *SECRETS, *(_PLAIN + kind for kind in SECRETS), *CERTIFICATES, "transport_key"}
)
"""All columns but the labels."""
