"""The key store of a head-end, opened by what its configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ferraris.core.errors import UsageError
from ferraris.headend.configuration import Configuration
from ferraris.keys import KeyStore, secret

__all__ = ["keys_at_hand"]


@contextmanager
def keys_at_hand(configuration: Configuration) -> Iterator[KeyStore]:
    """The key store, open by its passphrase, its token, or both.

    Raises `UsageError` when neither is named or the store is missing, `SecurityError` when they
    do not open it.
    """
    place = configuration.keys
    file = configuration.place(place.file)
    phrase = None
    if place.passphrase:
        phrase = secret(configuration.reference(place.passphrase), form="text")
    if not place.token:
        if phrase is None:
            raise UsageError(
                "keys.passphrase or keys.token opens the key store: name one", where="configuration"
            )
        with KeyStore.open(file, phrase) as store:
            yield store
        return
    from ferraris.keys.pkcs11 import Token  # noqa: PLC0415 - the `hsm` extra

    if not place.pin:
        raise UsageError("keys.token needs keys.pin", where="configuration")
    pin = secret(configuration.reference(place.pin), form="text")
    token = Token.open(
        place.module, label=place.token, pin=pin, wrapping_label=place.wrapping_key
    )  # fmt: skip
    with token, KeyStore.open(file, phrase, token=token) as store:
        yield store
