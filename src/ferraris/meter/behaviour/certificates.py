"""The certificates of a meter with suite 1 or 2: its own, its client's and the root it trusts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ferraris.core.errors import DecodeError, SecurityError
from ferraris.crypto.certificates import Certificate, Usage
from ferraris.crypto.chains import Trust
from ferraris.crypto.curves import PrivateKey
from ferraris.crypto.requests import CertificateRequest
from ferraris.data.kinds import array, enum, octet_string, structure
from ferraris.messaging.dlms.security.agreement import curve_of

if TYPE_CHECKING:
    from ferraris.meter.simulated import SimulatedMeter

__all__ = ["Certificates"]

_SERVER, _CLIENT, _AUTHORITY = 0, 1, 2  # entities [facts-g §7]
_BY_ENTITY, _BY_SERIAL = 0, 1
_FOR_SERVICES = (Usage.SIGNING, Usage.KEY_AGREEMENT)
_MOST_CERTIFICATES = 16


class Certificates:
    """What the methods of a security set-up do with certificates; `client_title` is its client's.

    A certificate is taken when its chain leads to the root, and its title is the meter's or its
    client's. One of the meter's own must belong to a key pair that the meter made.
    """

    def __init__(self, client_title: bytes) -> None:
        self._client_title = client_title

    def listed(self, meter: SimulatedMeter) -> Any:
        """Attribute 6."""
        return array(
            *(
                structure(
                    enum(entity),
                    enum(int(each.usage)),
                    octet_string(each.serial),
                    octet_string(each.issuer),
                    octet_string(each.subject),
                    octet_string(each.alternative_name),
                )
                for entity, each in self._all(meter)
            )
        )

    def generate(self, meter: SimulatedMeter, usage: int) -> None:
        """A new key pair, used once its certificate is imported."""
        wanted = _usage(usage)
        made = PrivateKey.generate(curve_of(meter.keys.suite), meter.entropy)
        meter.change().secure().new_pairs[wanted] = made

    def request(self, meter: SimulatedMeter, usage: int) -> bytes:
        """PKCS#10 for the new key pair, or for the one in use."""
        wanted = _usage(usage)
        state = meter.state.security
        key: Any = None if state is None else state.new_pairs.get(wanted)
        if key is None:
            pairs = meter.pairs
            key = {Usage.SIGNING: pairs.signing, Usage.KEY_AGREEMENT: pairs.agreement}.get(wanted)
        if key is None:
            raise SecurityError("there is no such key pair")
        return CertificateRequest.make(key, meter.system_title, wanted).der

    def take(self, meter: SimulatedMeter, octets: bytes, now: int) -> None:
        """Import a certificate: its key is used from the next request on."""
        certificate = Certificate.from_der(octets)
        trust = Trust([meter.fleet.authority.root])
        curve = curve_of(meter.keys.suite)
        trust.check(certificate, at=datetime.fromtimestamp(now, UTC), curve=curve)
        usage, title = certificate.usage, certificate.title
        if usage not in _FOR_SERVICES and not (usage is Usage.TLS and title == meter.system_title):
            raise SecurityError("a certificate of no use to this meter")
        state = meter.change().secure()
        pairs = meter.pairs
        if title == meter.system_title:
            made = state.new_pairs.get(usage)
            current = {Usage.SIGNING: pairs.signing, Usage.KEY_AGREEMENT: pairs.agreement}
            known = made if made is not None else current.get(usage)
            if known is None or known.public_key != certificate.public_key:
                raise SecurityError("the certificate is for a key that this meter has not")
            if made is not None and usage is Usage.SIGNING:
                pairs = replace(pairs, signing=made)
            elif made is not None and usage is Usage.KEY_AGREEMENT:
                pairs = replace(pairs, agreement=made)
            state.new_pairs.pop(usage, None)
        elif title == self._client_title and usage is Usage.SIGNING:
            pairs = replace(pairs, peer_signing=certificate.public_key)
        elif title == self._client_title and usage is Usage.KEY_AGREEMENT:
            pairs = replace(pairs, peer_agreement=certificate.public_key)
        else:
            raise SecurityError("a certificate for another title")
        kept = state.certificates or {_key(each): each.der for _, each in self._first(meter)}
        kept = {
            key: der
            for key, der in kept.items()
            if not _replaces(certificate, Certificate.from_der(der))
        }
        kept[_key(certificate)] = certificate.der
        state.certificates = dict(list(kept.items())[-_MOST_CERTIFICATES:])
        state.pairs = pairs
        state.serial += 1

    def find(self, meter: SimulatedMeter, identification: Any) -> Certificate:
        """The certificate that an identification names; `SecurityError` when there is none."""
        kind, what = _identification(identification)
        for entity, each in self._all(meter):
            if kind == _BY_SERIAL and (each.serial, each.issuer) == what:
                return each
            if kind == _BY_ENTITY and (entity, int(each.usage), each.title or b"") == what:
                return each
        raise SecurityError("there is no such certificate")

    def remove(self, meter: SimulatedMeter, identification: Any) -> None:
        """Forget a certificate, and with it the public key of a client."""
        found = self.find(meter, identification)
        state = meter.change().secure()
        kept = state.certificates or {_key(each): each.der for _, each in self._first(meter)}
        if found == meter.fleet.authority.root or found.title == meter.system_title:
            raise SecurityError(
                "the root and the meter's own certificates are replaced, not removed"
            )
        pairs = meter.pairs
        if found.public_key == pairs.peer_signing:
            pairs = replace(pairs, peer_signing=b"")
        if found.public_key == pairs.peer_agreement:
            pairs = replace(pairs, peer_agreement=b"")
        state.certificates = {key: der for key, der in kept.items() if der != found.der}
        state.pairs = pairs
        state.serial += 1

    def _all(self, meter: SimulatedMeter) -> list[tuple[int, Certificate]]:
        state = meter.state.security
        if state is None or not state.certificates:
            return self._first(meter)
        found = [Certificate.from_der(der) for der in state.certificates.values()]
        return [(self._entity(meter, each), each) for each in found]

    def _entity(self, meter: SimulatedMeter, certificate: Certificate) -> int:
        if certificate.is_authority:
            return _AUTHORITY
        return _SERVER if certificate.title == meter.system_title else _CLIENT

    def _first(self, meter: SimulatedMeter) -> list[tuple[int, Certificate]]:
        """As the meter was made."""
        fleet, pairs = meter.fleet, meter.fleet.pairs(meter.index)
        assert pairs.signing is not None
        assert pairs.agreement is not None
        own = (pairs.signing.public_key, pairs.agreement.public_key)
        peer = (pairs.peer_signing, pairs.peer_agreement)
        found = [(_AUTHORITY, fleet.authority.root)]
        for entity, title, keys in (
            (_SERVER, meter.system_title, own),
            (_CLIENT, self._client_title, peer),
        ):
            for usage, key in zip(_FOR_SERVICES, keys, strict=True):
                found.append((entity, fleet.authority.issue(key, title, usage)))
        return found


def _usage(number: int) -> Usage:
    if not 0 <= number <= Usage.TLS:
        raise SecurityError(f"there are no key pairs for use {number}")
    return Usage(number)


def _key(certificate: Certificate) -> tuple[bytes, bytes]:
    return certificate.serial, certificate.issuer


def _replaces(new: Certificate, old: Certificate) -> bool:
    return (new.title, new.usage) == (old.title, old.usage) and not old.is_authority


def _identification(data: Any) -> tuple[int, tuple[Any, ...]]:
    """By entity: entity, type and title; by serial: serial number and issuer [facts-g §7]."""
    try:
        _, ((_, kind), (_, parts)) = data
        values = tuple(value for _, value in parts)
    except (TypeError, ValueError):
        raise DecodeError("not what names a certificate", where="security set-up") from None
    if (kind, len(values)) not in ((_BY_ENTITY, 3), (_BY_SERIAL, 2)):
        raise DecodeError("not what names a certificate", where="security set-up")
    return kind, values
