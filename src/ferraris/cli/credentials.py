"""Who we are to a meter: security from options, from the environment, or from a file of keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ferraris.cli.identities import pairs_beside, private_key
from ferraris.cli.key_store import referenced
from ferraris.cli.options import MeterOptions
from ferraris.cli.trusted import certificates_of, with_peer
from ferraris.client.security import (
    MECHANISMS,
    HighDigest,
    HighECDSA,
    HighGMAC,
    NoSecurity,
    Password,
    Security,
)
from ferraris.core.errors import UsageError
from ferraris.crypto.curves import PrivateKey
from ferraris.messaging.dlms.security.deviations import check_association
from ferraris.messaging.dlms.security.forms import KeyPairs

__all__ = ["entries_of", "high_priority", "security_of", "security_of_entry"]

_WAYS = {
    "none": "none",
    "lowest": "none",
    "public": "none",
    "password": "password",
    "low": "password",
    "lls": "password",
    "gmac": "gmac",
    "high": "gmac",
    "hls5": "gmac",
    "ecdsa": "ecdsa",
    "hls7": "ecdsa",
    "sha256": "sha256",
    "hls6": "sha256",
    "sha1": "sha1",
    "hls4": "sha1",
    "md5": "md5",
    "hls3": "md5",
}
_CIPHERED = ("gmac", "ecdsa")
_READER = 2  # address of the simulated meters' client that is not ciphered
_DIGESTS = ("sha256", "sha1", "md5")


def security_of(given: MeterOptions, url: str) -> Security:
    """The security value that `connect` takes; `UsageError` when something is missing."""
    check_association(given.deviation)
    if given.keys is not None:
        return security_of_entry(given, _entry(given.keys, url, given.server), url)
    way = _way(given)
    _check_ciphered(given, way in _CIPHERED)
    if way in _DIGESTS:
        return _by_digest(given, way)
    if way == "password":
        reference = given.password or given.key
        if reference is None:
            raise UsageError("--auth password needs --password SECRET")
        return Password(referenced(reference, form="text", kind="password"))
    if way in _CIPHERED:
        if given.key is None or given.auth_key is None:
            raise UsageError(f"--auth {way} needs --key SECRET and --auth-key SECRET")
        key = referenced(given.key, kind="encryption_key")
        auth_key = referenced(given.auth_key, kind="authentication_key")
        certificates = certificates_of(given.peer_certificate or ())
        pairs, title = with_peer(given, _own_pairs(given), certificates, suite=given.suite)
        if way == "ecdsa" and not pairs.can_sign:
            raise UsageError("--auth ecdsa needs --signing-key SECRET and --peer-certificate FILE")
        found = _high(given, way, key, auth_key)
        return replace(found, suite=given.suite, pairs=pairs, server_system_title=title)
    return NoSecurity()


def high_priority(given: MeterOptions) -> bool:
    """What `--priority` says; `UsageError` for another word."""
    if given.priority not in ("high", "normal"):
        raise UsageError(f"--priority is high or normal, not {given.priority}")
    return given.priority == "high"


def security_of_entry(given: MeterOptions, entry: Mapping[str, Any], url: str) -> Security:
    """The security of one meter by its line in a file of keys; `UsageError` for what is missing."""
    suite = entry.get("suite", 0)
    usual = MECHANISMS.get(entry.get("mechanism", 7 if suite else 5), "")
    way = usual if given.auth is None else _way(given)
    _check_ciphered(given, way not in ("none", "password"))
    try:
        if way == "password":
            return Password(str(entry["password"]).encode())
        if way in _DIGESTS and given.protection == "none":
            secret = str(entry["password"]).encode()
            return HighDigest(secret, way, client=_READER, weak=given.weak)
        if way != "none":
            key = bytes.fromhex(entry["encryption_key"])
            found = _high(given, way, key, bytes.fromhex(entry["authentication_key"]))
            if way in _DIGESTS:
                found = replace(found, secret=str(entry["password"]).encode())
            if suite or given.trust:
                title = bytes.fromhex(entry["system_title"])
                own, certificates = pairs_beside(str(given.keys), entry)
                pairs, _ = with_peer(given, own, certificates, suite=suite, title=title)
                found = replace(found, suite=suite, pairs=pairs)
            if given.pre_established or given.trust:  # no AARE will tell it, or any other title
                title = bytes.fromhex(entry["system_title"])
                found = replace(found, server_system_title=title)
            return found
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{given.keys}: the line of {url} is incomplete") from None
    return NoSecurity()


def entries_of(file: str) -> list[Mapping[str, Any]]:
    """The lines of a file of keys, each an object of JSON; `UsageError` when it is no such file."""
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if line.strip()]
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except ValueError:
        entries = [None]
    if not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{file}: not a file of keys, one JSON object a line")
    return entries


def _way(given: MeterOptions) -> str:
    if given.auth is None:
        if given.key is not None or given.auth_key is not None:
            return "gmac"
        return "none" if given.password is None else "password"
    try:
        return _WAYS[given.auth.lower()]
    except KeyError:
        raise UsageError(
            f"--auth is none, password, gmac, ecdsa, sha256, sha1 or md5, not {given.auth}"
        ) from None


def _by_digest(given: MeterOptions, way: str) -> Security:
    """In the clear, or ciphered where keys are given."""
    if given.password is None:
        raise UsageError(f"--auth {way} needs --password SECRET")
    secret = referenced(given.password, form="text", kind="hls_secret")
    if given.key is None or given.auth_key is None:
        return HighDigest(secret, way, weak=given.weak)
    key = referenced(given.key, kind="encryption_key")
    auth_key = referenced(given.auth_key, kind="authentication_key")
    return replace(_high(given, way, key, auth_key), suite=given.suite, secret=secret)


def _check_ciphered(given: MeterOptions, is_ciphered: bool) -> None:
    """Refuse what only protected APDUs can do."""
    for option, wanted in (("--dedicated", given.dedicated), ("--trust", given.trust)):
        if wanted and not is_ciphered:
            raise UsageError(f"{option} goes with --auth gmac or ecdsa")


def _own_pairs(given: MeterOptions) -> KeyPairs:
    def optional(reference: str | None) -> PrivateKey | None:
        return None if reference is None else private_key(reference)

    master = given.master_key
    return KeyPairs(
        signing=optional(given.signing_key),
        agreement=optional(given.agreement_key),
        master_key=None if master is None else referenced(master, kind="master_key"),
    )


def _high(given: MeterOptions, way: str, key: bytes, auth_key: bytes) -> HighGMAC:
    more: dict[str, Any] = {
        "protection": given.protection,
        "dedicated": given.dedicated,
        "form": given.form,
        "message_key": given.message_key,
        "sign": given.sign,
        "mechanism": way,
        "weak": given.weak,
    }
    if given.system_title is not None:
        more["system_title"] = _title(given.system_title)
    if given.counter is not None:
        more["invocation_counter"] = given.counter
    return (HighECDSA if way == "ecdsa" else HighGMAC)(key, auth_key, **more)


def _entry(file: str, url: str, server: int) -> Mapping[str, Any]:
    """The line of a file of keys that speaks of this meter; its only line whatever the meter."""
    entries = entries_of(file)
    for entry in entries:
        if (entry.get("url"), entry.get("server")) == (url, server):
            return entry
    if len(entries) == 1:
        return entries[0]
    raise UsageError(f"{file} has no keys for server {server} at {url}")


def _title(text: str) -> bytes:
    try:
        title = bytes.fromhex(text)
    except ValueError:
        raise UsageError("a system title is written in hexadecimal") from None
    if len(title) != 8:
        raise UsageError(f"a system title has 8 octets, not {len(title)}")
    return title
