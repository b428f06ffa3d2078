"""URLs of meters."""

from __future__ import annotations

import pytest

from ferraris.core.errors import UsageError
from ferraris.line.url import parse_url


def test_parts() -> None:
    endpoint = parse_url("tcp+hdlc://10.1.2.3:5000?physical=0x11")
    assert (endpoint.scheme, endpoint.host, endpoint.port) == ("tcp+hdlc", "10.1.2.3", 5000)
    assert endpoint.number("physical") == 17
    assert endpoint.number("other") is None
    assert str(endpoint) == "tcp+hdlc://10.1.2.3:5000"


def test_defaults_and_ipv6() -> None:
    assert parse_url("tcp://meter").port == 4059
    endpoint = parse_url("tcp://[fe80::1]:1")
    assert endpoint.host == "fe80::1"
    assert str(endpoint) == "tcp://[fe80::1]:1"


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("10.1.2.3:4059", "://"),
        ("http://10.1.2.3", "tcp://"),
        ("tcp://", "host"),
        ("tcp://host:99999", "65535"),
        ("tcp://user:secret@host", "password"),
    ],
)
def test_what_is_wrong_is_said(url: str, word: str) -> None:
    with pytest.raises(UsageError, match=word) as caught:
        parse_url(url)
    assert "secret" not in str(caught.value)


def test_options_that_are_no_numbers() -> None:
    with pytest.raises(UsageError, match="physical=x"):
        parse_url("tcp://host?physical=x").number("physical")
