"""What each scheme of a URL stands for: the profile that carries APDUs there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ferraris.core.errors import UsageError
from ferraris.transport.profiles import HDLC, TCP, UDP, Profile

__all__ = ["profile_of"]

_BY_SCHEME: Mapping[str, Profile] = {
    "tcp": TCP,
    "tls": TCP,
    "udp": UDP,
    "tcp+hdlc": HDLC,
    "tls+hdlc": HDLC,
    "udp+hdlc": HDLC,
}
_OF_A_PORT = ("serial", "modem")
_NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


def profile_of(scheme: str, options: Mapping[str, str] = _NO_OPTIONS) -> Profile:
    """The profile that a URL asks for; which of them can be dialled is the business of `line`.

    `options` are those of the URL; `serial_profiles` says which there are. Raises `UsageError` when
    it is no line to a meter.
    """
    if scheme in _OF_A_PORT:
        # Openings and modems are loaded by whoever has a port.
        from ferraris.transport.serial_profiles import profile_of_port  # noqa: PLC0415

        return profile_of_port(scheme, options)
    profile = _BY_SCHEME.get(scheme)
    if profile is None:
        known = ", ".join(f"{each}://" for each in (*_BY_SCHEME, *_OF_A_PORT))
        raise UsageError(f"{scheme}:// is not a line to a meter: {known} are", where="url")
    return profile
