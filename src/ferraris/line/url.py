"""URLs of meters: which line, where, and what the line needs to know.

| line | URL |
|---|---|
| TCP, TLS, UDP, wrapped | `tcp://10.1.2.3:4059`, `tls://[2001:db8::7]?ca=FILE`, `udp://meter` |
| the same with HDLC | `tcp+hdlc://10.1.2.3:4059?physical=17`, `tls+hdlc://…`, `udp+hdlc://…` |
| a serial port | `serial:///dev/ttyUSB0?baud=9600&mode=e&physical=17`, `serial:COM3` |
| a modem on one | `modem:///dev/ttyUSB0?phone=+4912345` |
| a meter in this process | `sim://residential?seed=3` |

Every line takes `names=short` for meters whose objects go by short names, and
`via=NETWORK/ADDRESS`, the device behind a gateway: network 0 to 255, address in
hexadecimal, as in `tcp://10.1.2.3?via=1/0a0b`. No option holds a secret: keys are files,
passphrases are references. What an option means is said by the line that reads it; here stands
only which ones there are.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from ferraris.core.errors import UsageError

__all__ = ["DEFAULT_PORT", "Endpoint", "parse_url"]

DEFAULT_PORT = 4059  # registered for DLMS/COSEM [facts-g §10]

_WHERE = "url"
_SHOWN = 40  # characters of a bad value that an error repeats
_COM_PORT = re.compile(r"COM[0-9]+", re.IGNORECASE)

_Check = Callable[[str, str], None]


def _number(name: str, text: str) -> None:
    try:
        int(text, 0)
    except ValueError:
        raise UsageError(
            f"{name}={text[:_SHOWN]} in the URL is not a number", where=_WHERE
        ) from None


def _some(name: str, text: str) -> None:
    if not text:
        raise UsageError(f"{name}= in the URL is empty", where=_WHERE)


def _switch(name: str, text: str) -> None:
    if text not in ("0", "1"):
        raise UsageError(f"{name} in the URL is 0 or 1", where=_WHERE)


def _reference(name: str, text: str) -> None:
    if not text.startswith(("@", "env:")):
        raise UsageError(
            f"{name} in the URL is @FILE or env:NAME, never the secret itself", where=_WHERE
        )


def _behind(name: str, text: str) -> None:
    network, slash, address = text.partition("/")
    if not slash or not re.fullmatch(r"[0-9]{1,3}", network) or int(network) > 0xFF:
        raise UsageError(f"{name} in the URL is NETWORK/ADDRESS, as in 1/0a0b", where=_WHERE)
    if not re.fullmatch(r"([0-9A-Fa-f]{2}){1,127}", address):
        raise UsageError(f"the address in {name} is 1 to 127 octets in hex", where=_WHERE)


def _names(name: str, text: str) -> None:
    if text not in ("logical", "short"):
        raise UsageError(f"{name} in the URL is logical or short", where=_WHERE)


_ANY: dict[str, _Check] = {"via": _behind, "names": _names}
_HDLC: dict[str, _Check] = {"physical": _number} | _ANY
_TLS: dict[str, _Check] = _ANY | {
    "ca": _some,
    "cert": _some,
    "key": _some,
    "passphrase": _reference,
    "insecure": _switch,
}
_PORT: dict[str, _Check] = _ANY | {
    "baud": _number,
    "bits": _number,
    "parity": _some,
    "stop": _number,
    "rs485": _switch,
    "physical": _number,
}
_SERIAL: dict[str, _Check] = _PORT | {"mode": _some, "device": _some, "soft_parity": _switch}
_MODEM: dict[str, _Check] = _PORT | {"phone": _some, "init": _some, "dial": _some, "hangup": _some}

_NETWORK: dict[str, dict[str, _Check]] = {
    "tcp": _ANY,
    "tls": _TLS,
    "udp": _ANY,
    "tcp+hdlc": _HDLC,
    "tls+hdlc": _TLS | _HDLC,
    "udp+hdlc": _HDLC,
}
_DEVICES: dict[str, dict[str, _Check]] = {
    "serial": _SERIAL,
    "modem": _MODEM,
}
_SIMULATED: dict[str, dict[str, _Check]] = {
    "sim": {"seed": _number, "suite": _number, "mechanism": _number, "kind": _some}
}
_OPTIONS = _NETWORK | _DEVICES | _SIMULATED


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A parsed URL.

    Attributes:
        scheme: the line, as in the table above.
        host: name or address; an IPv6 address without brackets, with its zone after `%`. The path
            of the port for serial and modem, the template for sim.
        port: TCP or UDP port, 0 for lines without.
        options: by name, checked against those that the scheme knows.
    """

    scheme: str
    host: str
    port: int = DEFAULT_PORT
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """Name the place, without options."""
        if self.scheme in _DEVICES:
            return f"{self.scheme}:{'//' if self.host.startswith('/') else ''}{self.host}"
        if self.scheme in _SIMULATED:
            return f"{self.scheme}://{self.host}"
        host = f"[{self.host.replace('%', '%25')}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, options included; `parse_url` gives the same endpoint again."""
        if not self.options:
            return str(self)
        return f"{self}?{urlencode(self.options, quote_via=quote, safe='/:@+')}"

    @property
    def line(self) -> str:
        """What carries the octets: tcp, tls, udp, serial, modem or sim."""
        return self.scheme.partition("+")[0]

    def number(self, name: str, default: int | None = None) -> int | None:
        """The option `name` as a number; `UsageError` when it is none."""
        text = self.options.get(name)
        if text is None:
            return default
        _number(name, text)
        return int(text, 0)

    @property
    def short_names(self) -> bool:
        """Whether objects go by short names, as far as the URL says."""
        return self.options.get("names") == "short"

    @property
    def via(self) -> tuple[int, bytes] | None:
        """Network and address of the device behind a gateway; None where there is none."""
        text = self.options.get("via")
        if text is None:
            return None
        _behind("via", text)
        network, _, address = text.partition("/")
        return int(network), bytes.fromhex(address)


def parse_url(url: str, *, schemes: tuple[str, ...] | None = None) -> Endpoint:
    """Take a URL apart; `schemes` are those that are wanted, by default all.

    User names and passwords in a URL are refused, since URLs end up in logs. Raises `UsageError`,
    which repeats no option's value but a bad number.
    """
    wanted = tuple(_OPTIONS) if schemes is None else schemes
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UsageError(
            "a bracket or an IPv6 address in the URL is broken", where=_WHERE
        ) from None
    if parts.scheme not in wanted or parts.scheme not in _OPTIONS:
        known = ", ".join(f"{scheme}:" + "//" for scheme in wanted)
        raise UsageError(f"{parts.scheme or 'no scheme'}: one of {known} is needed", where=_WHERE)
    if "@" in parts.netloc:
        raise UsageError("no user or password belongs in the URL of a meter", where=_WHERE)
    if parts.fragment or url.endswith("#"):
        raise UsageError("a # in a URL is written %23", where=_WHERE)
    options = _options(parts)
    if parts.scheme in _DEVICES:
        return Endpoint(parts.scheme, _device(parts), 0, options)
    if parts.path not in ("", "/"):
        raise UsageError("nothing but options may follow host and port", where=_WHERE)
    host = _host(parts)
    if parts.scheme in _SIMULATED:
        return Endpoint(parts.scheme, host, 0, options)
    return Endpoint(parts.scheme, host, _port(parts), options)


def _options(parts: SplitResult) -> dict[str, str]:
    known = _OPTIONS[parts.scheme]
    options: dict[str, str] = {}
    # A plus is a plus, as in phone numbers; forms, where it is a space, are not used here.
    query = parts.query.replace("+", "%2B")
    for name, text in parse_qsl(query, keep_blank_values=True):
        check = known.get(name)
        if check is None:
            there_are = f"there are {', '.join(known)}" if known else "there are none"
            raise UsageError(
                f"{parts.scheme}: has no option {name[:_SHOWN]!r}; {there_are}", where=_WHERE
            )
        if name in options:
            raise UsageError(f"{name} is given twice in the URL", where=_WHERE)
        check(name, text)
        options[name] = text
    return options


def _device(parts: SplitResult) -> str:
    scheme, path = parts.scheme, unquote(parts.path)
    name = parts.netloc or path
    if _COM_PORT.fullmatch(name) and (not parts.netloc or path in ("", "/")):
        return name.upper()
    if parts.netloc or not path.startswith("/") or "\0" in path or path == "/":
        raise UsageError(
            f"a port is missing, as in {scheme}:///dev/ttyUSB0 or {scheme}:COM3", where=_WHERE
        )
    return path


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        raise UsageError("the port is a number from 0 to 65535", where=_WHERE) from None
    return DEFAULT_PORT if port is None else port


def _host(parts: SplitResult) -> str:
    host = parts.hostname
    if "[" in parts.netloc or parts.netloc.count(":") > 1:
        return _ipv6(host or "")
    if not host:
        example = "sim://residential" if parts.scheme in _SIMULATED else "tcp://10.1.2.3:4059"
        raise UsageError(f"a host is missing, as in {example}", where=_WHERE)
    try:
        host.encode("idna")
    except UnicodeError:
        raise UsageError("the host is not a name that can exist", where=_WHERE) from None
    if re.search(r"[\s\x00-\x1f%]", host):
        raise UsageError("the host is not a name that can exist", where=_WHERE)
    return host


def _ipv6(host: str) -> str:
    """An address with its zone, which is written `%25eth0` in a URL, or as people do, `%eth0`."""
    address, percent, zone = host.partition("%")
    if percent and zone.startswith("25") and len(zone) > 2:
        zone = zone[2:]
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        raise UsageError(
            "an IPv6 address stands in brackets, as in tcp://[2001:db8::1]:4059", where=_WHERE
        ) from None
    if percent and not re.fullmatch(r"[A-Za-z0-9._~-]+", zone):
        raise UsageError("the zone of an IPv6 address is missing or odd", where=_WHERE)
    return f"{address}%{zone}" if percent else address
