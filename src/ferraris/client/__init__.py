"""Client: associate with a meter, read, write, act; listen to what meters push."""

from ferraris.client.blocking import BlockingMeter, open_meter
from ferraris.client.browsing import BrowsedAttribute, BrowsedObject
from ferraris.client.calling import Access, Calls, Refusal, accept
from ferraris.client.connecting import Connecting, connect
from ferraris.client.data_protection import ProtectionLayer
from ferraris.client.identity import Identity
from ferraris.client.kept import kept_security
from ferraris.client.kind import Kind
from ferraris.client.kind_cache import KindCache
from ferraris.client.listening import Listening, listen
from ferraris.client.meter import Meter
from ferraris.client.peer_certificates import trusted_pairs
from ferraris.client.profile import ProfileLayout
from ferraris.client.push import Protection, Push, PushFailed
from ferraris.client.push_keys import PushKeys
from ferraris.client.push_lists import learn_push_list
from ferraris.client.pushed import PushedList, PushedObject
from ferraris.client.security import HighDigest, HighECDSA, HighGMAC, NoSecurity, Password, Security
from ferraris.client.wishes import (
    Act,
    ActData,
    Outcome,
    Read,
    ReadData,
    Wish,
    Write,
    WriteData,
)

__all__ = [
    "Access",
    "Act",
    "ActData",
    "BlockingMeter",
    "BrowsedAttribute",
    "BrowsedObject",
    "Calls",
    "Connecting",
    "HighDigest",
    "HighECDSA",
    "HighGMAC",
    "Identity",
    "Kind",
    "KindCache",
    "Listening",
    "Meter",
    "NoSecurity",
    "Outcome",
    "Password",
    "ProfileLayout",
    "Protection",
    "ProtectionLayer",
    "Push",
    "PushFailed",
    "PushKeys",
    "PushedList",
    "PushedObject",
    "Read",
    "ReadData",
    "Refusal",
    "Security",
    "Wish",
    "Write",
    "WriteData",
    "accept",
    "connect",
    "kept_security",
    "learn_push_list",
    "listen",
    "open_meter",
    "trusted_pairs",
]
