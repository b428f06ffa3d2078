"""Errors: a tree, a bounded excerpt, a place."""

from __future__ import annotations

import pytest

from ferraris.core import errors


def test_the_tree() -> None:
    assert issubclass(errors.DecodeError, errors.PeerError)
    assert issubclass(errors.SequenceError, errors.PeerError)
    assert issubclass(errors.IncompatibleError, errors.PeerError)
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.Error)


def test_excerpts_are_bounded() -> None:
    error = errors.PeerError("strange", where="wrapper", octets=bytes(1000))
    assert len(error.excerpt) == 49
    assert str(error) == f"wrapper: strange [{'00' * 24}…]"


def test_text_without_place_or_octets() -> None:
    assert str(errors.UsageError("no")) == "no"
    assert str(errors.DecodeError("bad", offset=3)) == "bad at octet 3"


def test_a_refusal_carries_the_standards_reason() -> None:
    with pytest.raises(errors.RefusedError) as caught:
        raise errors.RefusedError("no right", reason=3)
    assert caught.value.reason == 3
