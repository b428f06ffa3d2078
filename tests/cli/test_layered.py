"""`--layers`: data protection from the command line."""

from __future__ import annotations

import pytest

MESSAGE = "1/0-0:96.13.0*255/2"


@pytest.mark.parametrize(
    ("suite", "layers"),
    [(0, "both"), (0, "authentication,encryption:wrapped"), (1, "signature,both:one-pass")],
)
def test_read_set_and_act(ferraris, suite, layers):
    url = f"sim://residential?suite={suite}&seed=3"
    plain = ferraris("read", url, "0-0:42.0.0*255")
    ran = ferraris("read", url, "0-0:42.0.0*255", "1-0:1.8.0*255", "--layers", layers)
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == plain.out.splitlines()[0]
    assert ran.out.splitlines()[1].endswith("Wh")
    ran = ferraris("set", url, MESSAGE, "octet-string:0102", "--layers", layers)
    assert (ran.code, ran.out) == (0, "done\n"), ran.err
    ran = ferraris("act", url, "8/0-0:1.0.0*255/6", "long:5", "--layers", layers)
    assert (ran.code, ran.out) == (0, "done\n"), ran.err
    ran = ferraris("set", url, "3/1-0:1.8.0*255/2", "double-long-unsigned:1", "--layers", layers)
    assert (ran.code, "read-write-denied" in ran.err) == (1, True), ran.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--layers", "nothing"], "authentication, encryption, both, signature"),
        (["--layers", "both:"], ""),
        (["--layers", "both:strange"], "identified, wrapped, one-pass, static"),
        (["--layers", ""], "a layer is"),
        (["--through", "0-0:43.2.9*255"], "--layers"),
        (["--layers", "both", "--profile", "1-0:99.1.0*255"], "without"),
        (["--layers", "signature"], "private key"),
        (["--layers", "both", "--through", "0-0:43.2.9*255"], "object-undefined"),
    ],
)
def test_what_cannot_be(ferraris, more, words):
    ran = ferraris("read", "sim://residential", "0-0:42.0.0*255", *more)
    if more == ["--layers", "both:"]:  # as without the colon
        assert ran.code == 0
        return
    refused = words in ("object-undefined",)
    expected = 1 if refused else 2
    if more == ["--layers", "signature"]:  # suite 0 signs nothing, and the meter says so
        expected, words = 1, "other-reason"
    assert (ran.code, words in ran.err) == (expected, True), ran.err


def test_layers_are_answered_always(ferraris):
    ran = ferraris(
        *("set", "sim://residential", MESSAGE, "octet-string:01"),
        *("--layers", "both", "--unconfirmed"),
    )
    assert (ran.code, "--unconfirmed" in ran.err) == (2, True), ran.err
