"""Telegrams as lossless trees, and how protected contents are opened and protected on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ferraris.cli.protected import Secrets, content_shape
from ferraris.cli.session import Ends, Session
from ferraris.cli.telegram import LLC, Telegram
from ferraris.core.errors import DecodeError, Error, UsageError
from ferraris.messaging.dlms.explain import conceal
from ferraris.messaging.dlms.general import GeneralCiphering
from ferraris.messaging.dlms.security import CipherKeys, CounterLease, Sealer, SecurityControl
from ferraris.messaging.dlms.security.counters import COUNTER_LIMIT
from ferraris.messaging.dlms.translation import (
    Node,
    Opened,
    Opens,
    Seals,
    data_to_tree,
    to_tree,
)

__all__ = ["Trees", "sealing"]


class Trees:
    """Makes the trees of telegrams; `hidden` says that one of them has asterisks for a secret."""

    def __init__(self, secrets: Secrets, session: Session, *, with_secrets: bool) -> None:
        self._secrets = secrets
        self._session = session
        self._with_secrets = with_secrets
        self.hidden = False

    def of(self, octets: bytes, telegram: Telegram) -> Iterator[Node]:
        """The trees of all APDUs in a telegram that was read, or of its Data."""
        if telegram.protocol == "data":
            yield data_to_tree(octets)
        elif telegram.protocol == "apdu":
            yield from self._tree(octets[3:] if octets[:3] in LLC else octets, (0, 0))
        elif telegram.framing is not None:
            for apdu in telegram.framing.apdus:
                if apdu.complete and apdu.octets:
                    yield from self._tree(apdu.octets, apdu.ends)

    def _tree(self, octets: bytes, ends: Ends) -> Iterator[Node]:
        try:
            yield to_tree(self._shown(octets), opens=self._opening(octets, ends))
        except DecodeError:
            return  # the telegram's own error has said so

    def _opening(self, octets: bytes, ends: Ends) -> Opens:
        secrets, session = self._secrets, self._session
        named = session.title(ends, octets)

        def opens(holder: Any, title: bytes | None) -> Opened | None:
            if secrets.encryption_key is None or secrets.decrypted:
                return None
            known = title or named or secrets.system_title
            try:
                shape, plain = content_shape(holder, secrets, known, session.dedicated_key(ends))
            except Error:
                return None  # why it stays shut is the telegram's error
            if plain is None:
                return None
            control = holder.content[0]
            return Opened(control, shape["invocation_counter"], self._shown(plain))

        return opens

    def _shown(self, octets: bytes) -> bytes:
        if self._with_secrets:
            return octets
        concealed = conceal(octets)
        self.hidden |= concealed != octets
        return concealed


def sealing(secrets: Secrets, counter: int | None) -> Seals | None:
    """Protects with these keys, from this invocation counter on; None without a key.

    The counter is never taken from the document: one that serves twice under a key, for another
    content, breaks the key.
    """
    key = secrets.encryption_key
    if key is None:
        return None
    if counter is None:
        raise UsageError("to protect an APDU give --counter, one that was never used with the key")
    lease = CounterLease(counter, COUNTER_LIMIT)

    def seals(holder: Any, opened: Opened) -> bytes:
        control = SecurityControl(opened.control)
        own = getattr(holder, "system_title", b"") or getattr(
            holder, "originator_system_title", b""
        )
        title = own or secrets.system_title
        if title is None:
            raise UsageError("the sender's system title is not in the document: --system-title")
        if secrets.authentication_key is None:
            raise UsageError("to protect an APDU give --auth-key as well")
        broadcast = key if control.broadcast else None
        keys = CipherKeys(control.suite, key, secrets.authentication_key, broadcast)
        fields = holder.header if isinstance(holder, GeneralCiphering) else b""
        return Sealer(keys, title, lease, lease).seal(opened.plain, opened.control, fields)

    return seals
