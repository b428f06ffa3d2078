"""Client: associate with a meter, read, write, act."""

from ferraris.client.blocking import BlockingMeter, open_meter
from ferraris.client.connecting import Connecting, connect
from ferraris.client.kind import Kind
from ferraris.client.meter import BrowsedAttribute, BrowsedObject, Meter
from ferraris.client.profile import ProfileLayout
from ferraris.client.security import HighGMAC, NoSecurity, Password, Security

__all__ = [
    "BlockingMeter",
    "BrowsedAttribute",
    "BrowsedObject",
    "Connecting",
    "HighGMAC",
    "Kind",
    "Meter",
    "NoSecurity",
    "Password",
    "ProfileLayout",
    "Security",
    "connect",
    "open_meter",
]
