"""URLs of meters."""

from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.line.url import Endpoint, parse_url


def test_parts() -> None:
    endpoint = parse_url("tcp+hdlc://10.1.2.3:5000?physical=0x11")
    assert (endpoint.scheme, endpoint.host, endpoint.port) == ("tcp+hdlc", "10.1.2.3", 5000)
    assert (endpoint.line, endpoint.number("physical")) == ("tcp", 17)
    assert endpoint.number("other") is None
    assert str(endpoint) == "tcp+hdlc://10.1.2.3:5000"


@pytest.mark.parametrize("scheme", ["tcp", "tls", "udp", "tcp+hdlc", "tls+hdlc", "udp+hdlc"])
def test_the_default_port(scheme: str) -> None:
    assert parse_url(f"{scheme}://meter").port == 4059
    assert parse_url(f"{scheme}://meter:1/").port == 1


@pytest.mark.parametrize(
    ("url", "host", "shown"),
    [
        ("tcp://[fe80::1]:1", "fe80::1", "tcp://[fe80::1]:1"),
        ("udp://[fe80::1%25eth0]", "fe80::1%eth0", "udp://[fe80::1%25eth0]:4059"),
        ("tls://[fe80::1%eth0]:9", "fe80::1%eth0", "tls://[fe80::1%25eth0]:9"),
        ("tcp://[fe80::1%25]", "fe80::1%25", "tcp://[fe80::1%2525]:4059"),
        ("TCP://[2001:DB8::7]", "2001:db8::7", "tcp://[2001:db8::7]:4059"),
    ],
)
def test_ipv6(url: str, host: str, shown: str) -> None:
    endpoint = parse_url(url)
    assert endpoint.host == host
    assert str(endpoint) == shown
    assert parse_url(shown) == endpoint


@pytest.mark.parametrize(
    ("url", "device", "shown"),
    [
        ("serial:///dev/ttyUSB0?baud=9600&mode=e", "/dev/ttyUSB0", "serial:///dev/ttyUSB0"),
        ("serial:/dev/ttyUSB0", "/dev/ttyUSB0", "serial:///dev/ttyUSB0"),
        ("serial:COM3", "COM3", "serial:COM3"),
        ("serial://com3?baud=300", "COM3", "serial:COM3"),
        ("modem:///dev/ttyS1?phone=+4912345", "/dev/ttyS1", "modem:///dev/ttyS1"),
    ],
)
def test_ports(url: str, device: str, shown: str) -> None:
    endpoint = parse_url(url)
    assert (endpoint.host, endpoint.port, str(endpoint)) == (device, 0, shown)


@pytest.mark.parametrize(
    "url",
    [
        "tcp://meter:4059",
        "tls://[fe80::1%25eth0]:4059?ca=/etc/meters%20here/ca.pem&passphrase=env:PASS",
        "modem:///dev/ttyS1?phone=+4912345&baud=9600",
        "sim://residential?seed=3",
    ],
)
def test_there_and_back(url: str) -> None:
    assert parse_url(url).url == url
    assert parse_url(parse_url(url).url) == parse_url(url)


def test_a_plus_is_a_plus() -> None:
    assert parse_url("modem:COM1?phone=+49123").options["phone"] == "+49123"


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("10.1.2.3:4059", "://"),
        ("http://10.1.2.3", "tcp://"),
        ("tcp://", "host"),
        ("tcp://host:99999", "65535"),
        ("tcp://host:x", "65535"),
        ("tcp://user:secret@host", "password"),
        ("tcp://::1:4059", "brackets"),
        ("tcp://[::1", "bracket"),
        ("tcp://[fe80::1%]", "IPv6"),
        ("tcp://[1.2.3.4]", "IPv6"),
        ("tcp://a..b", "name"),
        (f"tcp://{'a' * 64}", "name"),
        ("tcp://a%00b", "name"),
        ("tcp://host/path", "options"),
        ("tcp://host#secret", "%23"),
        ("tcp://host?physical=1", "there are via"),
        ("tcp+hdlc://host?phisical=1", "'phisical'; there are physical"),
        ("tls://host?password=secret", "ca, cert, key, passphrase, insecure"),
        ("tls://host?passphrase=secret", "env:NAME"),
        ("tls://host?insecure=yes", "0 or 1"),
        ("tls://host?ca=", "empty"),
        ("tcp+hdlc://host?physical=1&physical=2", "twice"),
        ("tcp+hdlc://host?physical=x", "physical=x"),
        ("serial://dev/ttyUSB0", "serial:///dev/ttyUSB0"),
        ("serial:ttyUSB0", "serial:///dev/ttyUSB0"),
        ("serial:", "serial:COM3"),
        ("sim://", "sim://residential"),
    ],
)
def test_what_is_wrong_is_said(url: str, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert word in str(caught.value)
    assert "secret" not in str(caught.value).replace("never the secret itself", "")


def test_only_what_is_wanted() -> None:
    with pytest.raises(UsageError, match="one of tcp:// is needed"):
        parse_url("udp://host", schemes=("tcp",))


def test_options_stay_out_of_sight() -> None:
    endpoint = Endpoint("tls", "host", options={"passphrase": "secret"})
    assert "secret" not in f"{endpoint} {endpoint!r}"


def test_options_that_are_no_numbers() -> None:
    with pytest.raises(UsageError, match="physical=x"):
        Endpoint("tcp+hdlc", "host", options={"physical": "x"}).number("physical")


def test_a_device_behind_a_gateway() -> None:
    assert parse_url("tcp://gateway?via=1/0a0B").via == (1, b"\x0a\x0b")
    assert parse_url("serial:///dev/ttyS0?via=0/ff").via == (0, b"\xff")
    assert parse_url("udp://meter").via is None
    for wrong in ("1", "256/00", "1/0", "1/", "x/00", "1/0g", "1/" + "00" * 128):
        with pytest.raises(UsageError, match="via"):
            parse_url(f"tcp://gateway?via={wrong}")


def test_objects_by_short_name() -> None:
    assert parse_url("tcp+hdlc://meter?physical=17&names=short").short_names
    assert not parse_url("tcp://meter?names=logical").short_names
    assert not parse_url("tcp://meter").short_names
    with pytest.raises(UsageError, match="logical or short"):
        parse_url("tcp://meter?names=long")
