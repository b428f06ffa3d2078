"""Client: associate with a meter, read, write, act; listen to what meters push."""

from ferraris.client.blocking import BlockingMeter, open_meter
from ferraris.client.connecting import Connecting, connect
from ferraris.client.kind import Kind
from ferraris.client.listening import Listening, listen
from ferraris.client.meter import BrowsedAttribute, BrowsedObject, Meter
from ferraris.client.profile import ProfileLayout
from ferraris.client.push import Protection, Push, PushFailed
from ferraris.client.push_keys import PushKeys
from ferraris.client.push_lists import learn_push_list
from ferraris.client.pushed import PushedList, PushedObject
from ferraris.client.security import HighGMAC, NoSecurity, Password, Security

__all__ = [
    "BlockingMeter",
    "BrowsedAttribute",
    "BrowsedObject",
    "Connecting",
    "HighGMAC",
    "Kind",
    "Listening",
    "Meter",
    "NoSecurity",
    "Password",
    "ProfileLayout",
    "Protection",
    "Push",
    "PushFailed",
    "PushKeys",
    "PushedList",
    "PushedObject",
    "Security",
    "connect",
    "learn_push_list",
    "listen",
    "open_meter",
]
