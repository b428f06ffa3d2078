"""Whereto a push goes: from what a set-up object says to an endpoint, and back."""

from __future__ import annotations

from ferraris.core.errors import LineError, UsageError
from ferraris.data import axdr
from ferraris.data.obis import Obis
from ferraris.line.url import DEFAULT_PORT, Endpoint, parse_url
from ferraris.meter.behaviour.push_setup import PushSettings
from ferraris.meter.simulated import SimulatedMeter
from ferraris.model.internet import TcpUdpSetup
from ferraris.model.push import TransportService

__all__ = ["SCHEMES", "Routes"]

SCHEMES = ("udp", "tcp", "tls", "udp+hdlc", "tcp+hdlc", "tls+hdlc")
"""Lines that a meter can push on."""

_SERVICES = {
    "udp": TransportService.UDP,
    "tcp": TransportService.TCP,
    "tls": TransportService.TCP,
}
_LINES: dict[int, str] = {
    TransportService.TCP: "tcp",
    TransportService.UDP: "udp",
    TransportService.HDLC: "tcp+hdlc",
}
_WHERE = "push"


class Routes:
    """Endpoints by what destinations say.

    A set-up object has no word for certificates or for HDLC in datagrams: what `endpoint` tells of
    them belongs to its destination.
    """

    def __init__(self, endpoint: Endpoint | None) -> None:
        self._known: dict[tuple[int, bytes], Endpoint] = {}
        self.own: tuple[int, bytes] = (TransportService.TCP, b"")
        """Service and destination of the endpoint given."""
        if endpoint is None:
            return
        if endpoint.scheme not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise UsageError(f"meters push to {known}, not {endpoint.scheme}://", where=_WHERE)
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        service = _SERVICES.get(endpoint.scheme, TransportService.HDLC)
        self.own = (service, f"{host}:{endpoint.port}".encode())
        self._known[self.own] = endpoint

    def find(self, meter: SimulatedMeter, setup: Obis, settings: PushSettings) -> Endpoint:
        """The endpoint of a set-up object; `LineError` for one that no line leads to."""
        service, octets, message = settings.destination
        if message:
            raise LineError(f"{setup}: pushes are coded in A-XDR, not {message}", where=_WHERE)
        known = self._known.get((service, octets))
        if known is not None:
            return known
        scheme = _LINES.get(service)
        if not octets or scheme is None:
            raise LineError(f"{setup} has no destination that leads anywhere", where=_WHERE)
        try:
            endpoint = parse_url(f"{scheme}://{octets.decode('utf-8')}", schemes=SCHEMES)
        except (UsageError, UnicodeDecodeError):
            raise LineError(f"{setup}: the destination is not HOST:PORT", where=_WHERE) from None
        if not octets.endswith(b":%d" % endpoint.port):
            port = _port(meter, settings.port_reference)
            endpoint = Endpoint(endpoint.scheme, endpoint.host, port, endpoint.options)
        self._known[service, octets] = endpoint
        return endpoint


def _port(meter: SimulatedMeter, reference: bytes) -> int:
    """The port of the TCP-UDP set-up that is referred to; without one the registered port."""
    setup = meter.fleet.template.behaviours.get((TcpUdpSetup.class_id, reference))
    if setup is None:
        return DEFAULT_PORT
    return int(axdr.decode(setup.get(meter, 2, None, 0))[1])
