"""Keys in a token: a hardware security module, a smart card or SoftHSM, by PKCS#11.

The wrapping key and private keys are made in the token and never leave it. It signs (CKM_ECDSA over
our hash), agrees (CKM_ECDH1_DERIVE, whose secret comes out) and wraps (CKM_AES_KEY_WRAP, RFC 3394,
so that the data key of a store opens with the token alone).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, NoReturn, TypeVar

from ferraris.core.errors import DecodeError, LineError, SecurityError, UsageError
from ferraris.crypto.curves import Curve
from ferraris.crypto.der import OCTET_STRING, one

__all__ = ["Token", "TokenKey"]

T = TypeVar("T")

_CURVES = {
    Curve.P256: bytes.fromhex("06082A8648CE3D030107"),
    Curve.P384: bytes.fromhex("06052B81040022"),
}
"""Object identifiers of the curves in DER, as CKA_EC_PARAMS has them."""

_LOST = (
    "SessionHandleInvalid",
    "SessionClosed",
    "DeviceRemoved",
    "DeviceError",
    "TokenNotPresent",
    "UserNotLoggedIn",
    "KeyHandleInvalid",
    "ObjectHandleInvalid",
)
_WRONG_PIN = ("PinIncorrect", "PinInvalid", "PinLenRange", "ArgumentsBad")
_WRAPPED = ("WrappedKeyInvalid", "WrappedKeyLenRange", "GeneralError", "EncryptedDataInvalid")


class Token:
    """One token, logged in; threads may share it, processes open their own.

    It is the `token` of `KeyStore.open`: the data key is wrapped by it, and private keys may lie in
    it. Raises `UsageError` for what is missing or was asked wrongly, `SecurityError` for a wrong
    PIN or altered octets, `LineError` when the token went away.
    """

    def __init__(self, session: Any, label: str, wrapping_label: str) -> None:
        self._session = session
        self._process = os.getpid()
        self._lock = RLock()
        self.label = label
        self.wrapping_label = wrapping_label

    @classmethod
    def open(
        cls, module: str, *, label: str, pin: str | bytes, wrapping_label: str = "ferraris"
    ) -> Token:
        """Log in to the token of that label by the PKCS#11 library `module`.

        `wrapping_label` names its wrapping key. A process logs in to a token once.
        """
        library = _library()
        if not os.path.isfile(module):
            raise UsageError(f"token {label!r}: there is no PKCS#11 module {module}")
        try:
            secret = pin.decode() if isinstance(pin, bytes) else pin
        except UnicodeDecodeError:
            raise UsageError(f"token {label!r}: a PIN is text in UTF-8") from None
        with _plain_errors(label):
            try:
                found = library.lib(module).get_token(token_label=label)
            except library.exceptions.NoSuchToken:
                message = f"token {label!r} is missing: plug it in, or initialise it"
                raise UsageError(message) from None
            session = found.open(rw=True, user_pin=secret)
        return cls(session, label, wrapping_label)

    def make_wrapping_key(self) -> None:
        """Make the wrapping key, AES of 256 bits, which only wraps and unwraps and never leaves."""
        from pkcs11 import Attribute, KeyType  # noqa: PLC0415  (optional)

        def make(session: Any) -> None:
            self._refuse_taken(session, self.wrapping_label)
            template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
            template |= {Attribute.WRAP: True, Attribute.UNWRAP: True}
            template |= {Attribute.ENCRYPT: False, Attribute.DECRYPT: False}
            session.generate_key(
                KeyType.AES, 256, label=self.wrapping_label, store=True, template=template
            )

        self._run(make)

    def import_wrapping_key(self, label: str, key: bytes) -> None:
        """Put a meter's master key into the token, where it wraps and never leaves again."""
        from pkcs11 import Attribute, KeyType, ObjectClass  # noqa: PLC0415  (optional)

        def put(session: Any) -> None:
            self._refuse_taken(session, label)
            session.create_object(
                {
                    Attribute.CLASS: ObjectClass.SECRET_KEY,
                    Attribute.KEY_TYPE: KeyType.AES,
                    Attribute.VALUE: key,
                    Attribute.LABEL: label,
                    Attribute.TOKEN: True,
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.WRAP: True,
                    Attribute.UNWRAP: True,
                }
            )

        self._run(put)

    def make_master_key(self, label: str, octets: int) -> None:
        """Make a meter's master key of 16 or 32 octets, which leaves wrapped by another key only.

        It has to: the meter gets it wrapped under the one before.
        """
        from pkcs11 import Attribute, KeyType  # noqa: PLC0415  (optional)

        def make(session: Any) -> None:
            self._refuse_taken(session, label)
            template = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: True}
            template |= {Attribute.WRAP: True, Attribute.UNWRAP: True}
            template |= {Attribute.ENCRYPT: False, Attribute.DECRYPT: False}
            session.generate_key(
                KeyType.AES, octets * 8, label=label, store=True, template=template
            )

        self._run(make)

    def key_octets(self, label: str) -> int:
        """The length of a wrapping or master key."""
        from pkcs11 import Attribute  # noqa: PLC0415  (optional)

        def work(session: Any) -> int:
            return int(self._wrapping_key(session, label)[Attribute.VALUE_LEN])

        return self._run(work)

    def wrap_key(self, label: str, under: str) -> bytes:
        """A master key of the token, wrapped under another of its keys [rfc3394]."""
        from pkcs11 import Mechanism  # noqa: PLC0415  (optional)

        def work(session: Any) -> bytes:
            wrapping = self._wrapping_key(session, under)
            carried = self._wrapping_key(session, label)
            return bytes(wrapping.wrap_key(carried, mechanism=Mechanism.AES_KEY_WRAP))

        return self._run(work)

    def generate(self, label: str, curve: Curve) -> TokenKey:
        """Make a private key that signs and agrees, in the token; `UsageError` when it exists."""
        from pkcs11 import Attribute, KeyType  # noqa: PLC0415  (optional)

        def make(session: Any) -> None:
            self._refuse_taken(session, label)
            parameters = session.create_domain_parameters(
                KeyType.EC, {Attribute.EC_PARAMS: _CURVES[curve]}, local=True
            )
            private = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
            private |= {Attribute.SIGN: True, Attribute.DERIVE: True}
            parameters.generate_keypair(
                store=True,
                label=label,
                id=label.encode(),
                public_template={Attribute.VERIFY: True},
                private_template=private,
            )

        self._run(make)
        return self._key(label)

    def signing_key(self, label: str) -> TokenKey:
        """The private key of that label; `UsageError` when there is none."""
        return self._key(label)

    def agreement_key(self, label: str) -> TokenKey:
        """The private key of that label; `UsageError` when there is none."""
        return self._key(label)

    def wrap(self, key: bytes, under: str | None = None) -> bytes:
        """`key` wrapped under the wrapping key, or another one of the token [rfc3394]."""
        from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass  # noqa: PLC0415  (optional)

        def work(session: Any) -> bytes:
            template = {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.AES,
                Attribute.VALUE: key,
                Attribute.TOKEN: False,
                Attribute.SENSITIVE: False,
                Attribute.EXTRACTABLE: True,
            }
            wrapping = self._wrapping_key(session, under)
            carried = session.create_object(template)
            try:
                return bytes(wrapping.wrap_key(carried, mechanism=Mechanism.AES_KEY_WRAP))
            finally:
                carried.destroy()

        return self._run(work)

    def unwrap(self, wrapped: bytes, under: str | None = None) -> bytes:
        """The key inside; `SecurityError` when it was wrapped by another key, or altered."""
        from pkcs11 import KeyType, Mechanism  # noqa: PLC0415  (optional)

        mechanism = Mechanism.AES_KEY_WRAP
        return self._run(
            lambda session: self._unwrapped(session, wrapped, under, (mechanism, KeyType.AES))
        )

    def unwrap_any(self, wrapped: bytes, under: str) -> bytes:
        """A secret of any length that was wrapped under a key of the token, padded or not.

        [rfc3394, rfc5649]. `SecurityError` when it was wrapped by another key, or altered.
        """
        from pkcs11 import KeyType, Mechanism, PKCS11Error  # noqa: PLC0415  (optional)

        def work(session: Any) -> bytes:
            # SoftHSM calls the padding of RFC 5649 so; what is called KWP it does not know.
            for mechanism in (Mechanism.AES_KEY_WRAP, Mechanism.AES_KEY_WRAP_PAD):
                way = (mechanism, KeyType.GENERIC_SECRET)
                try:
                    return self._unwrapped(session, wrapped, under, way)
                except PKCS11Error as error:
                    if type(error).__name__ not in _WRAPPED:
                        raise
            raise SecurityError(
                f"token {self.label!r}: a secret does not unwrap: other key, or altered"
            )

        return self._run(work)

    def _unwrapped(
        self, session: Any, wrapped: bytes, under: str | None, way: tuple[Any, Any]
    ) -> bytes:
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415  (optional)

        mechanism, key_type = way
        template = {Attribute.TOKEN: False, Attribute.SENSITIVE: False}
        carried = self._wrapping_key(session, under).unwrap_key(
            ObjectClass.SECRET_KEY,
            key_type,
            wrapped,
            mechanism=mechanism,
            template=template | {Attribute.EXTRACTABLE: True},
        )
        try:
            return bytes(carried[Attribute.VALUE])
        finally:
            carried.destroy()

    def close(self) -> None:
        """Log out."""
        with self._lock, _plain_errors(self.label):
            self._session.close()

    def __enter__(self) -> Token:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Token({self.label!r})"

    def __reduce__(self) -> NoReturn:
        raise UsageError("a token is not pickled: each process opens its own")

    def _run(self, work: Callable[[Any], T]) -> T:
        """One piece of work at a time; the library's sessions are not for several threads."""
        if self._process != os.getpid():
            raise UsageError(f"token {self.label!r} was opened before the fork: open it again")
        with self._lock, _plain_errors(self.label):
            return work(self._session)

    def _key(self, label: str) -> TokenKey:
        from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415  (optional)

        def find(session: Any) -> tuple[Any, bytes, bytes]:
            private = self._find(session, label, ObjectClass.PRIVATE_KEY, "private key")
            public = self._find(session, label, ObjectClass.PUBLIC_KEY, "public key")
            return private, bytes(public[Attribute.EC_PARAMS]), bytes(public[Attribute.EC_POINT])

        private, parameters, point = self._run(find)
        for curve, named in _CURVES.items():
            if named == parameters:
                return TokenKey(self, label, private, curve, _coordinates(curve, point))
        raise UsageError(f"token {self.label!r}: the key {label!r} is not of P-256 or P-384")

    def _wrapping_key(self, session: Any, label: str | None) -> Any:
        from pkcs11 import ObjectClass  # noqa: PLC0415  (optional)

        return self._find(
            session, label or self.wrapping_label, ObjectClass.SECRET_KEY, "wrapping key"
        )

    def _find(self, session: Any, label: str, kind: Any, word: str) -> Any:
        from pkcs11 import Attribute  # noqa: PLC0415  (optional)

        found = _search(session, {Attribute.CLASS: kind, Attribute.LABEL: label})
        if not found:
            message = f"token {self.label!r} has no {word} {label!r}: make it, or name another"
            raise UsageError(message)
        if len(found) > 1:
            raise UsageError(f"token {self.label!r} has several of {word} {label!r}: rename one")
        return found[0]

    def _refuse_taken(self, session: Any, label: str) -> None:
        from pkcs11 import Attribute  # noqa: PLC0415  (optional)

        if not label:
            raise UsageError("a key in a token needs a label")
        if _search(session, {Attribute.LABEL: label}):
            raise UsageError(f"token {self.label!r} has a {label!r} already")


class TokenKey:
    """A private key in a token, both a `SigningKey` and an `AgreementKey`."""

    __slots__ = ("_private", "_token", "curve", "label", "public_key")

    def __init__(
        self, token: Token, label: str, private: Any, curve: Curve, public_key: bytes
    ) -> None:
        self._token = token
        self._private = private
        self.label = label
        self.curve = curve
        self.public_key = public_key

    def sign(self, octets: bytes) -> bytes:
        """r and s over the hash of `octets`, signed by the token."""
        from pkcs11 import Mechanism  # noqa: PLC0415  (optional)

        hashing = hashlib.sha256 if self.curve is Curve.P256 else hashlib.sha384
        digest = hashing(octets).digest()
        return self._token._run(
            lambda _: bytes(self._private.sign(digest, mechanism=Mechanism.ECDSA))
        )

    def agree(self, public_key: bytes) -> bytes:
        """The shared secret, from the token; `SecurityError` for a point off the curve."""
        from pkcs11 import KDF, Attribute, KeyType, Mechanism  # noqa: PLC0415  (optional)

        from ferraris.crypto.curves import loaded_point  # noqa: PLC0415

        loaded_point(self.curve, public_key)  # the token is not asked about points off the curve

        def work(_: Any) -> bytes:
            template = {Attribute.TOKEN: False, Attribute.SENSITIVE: False}
            derived = self._private.derive_key(
                KeyType.GENERIC_SECRET,
                self.curve.octets * 8,
                mechanism=Mechanism.ECDH1_DERIVE,
                mechanism_param=(KDF.NULL, None, b"\x04" + public_key),
                template=template | {Attribute.EXTRACTABLE: True},
            )
            try:
                return bytes(derived[Attribute.VALUE])
            finally:
                derived.destroy()

        return self._token._run(work)

    def __repr__(self) -> str:
        return f"TokenKey({self.label!r}, {self.curve.value})"

    def __reduce__(self) -> NoReturn:
        raise UsageError("a key in a token is not pickled")


def _library() -> Any:
    try:
        import pkcs11  # noqa: PLC0415  (optional)
    except ImportError:
        raise UsageError(
            "keys in a token need the extra `hsm`: pip install ferraris[hsm]"
        ) from None
    return pkcs11


def _search(session: Any, template: dict[Any, Any]) -> list[Any]:
    # Searches complain from their destructor in a session that is lost, so something cheap goes
    # first; and they are run to the end, since one that is given up keeps its session busy.
    session.generate_random(64)
    return list(session.get_objects(template))


def _coordinates(curve: Curve, point: bytes) -> bytes:
    """x and y out of CKA_EC_POINT: an OCTET STRING by the rule, the bare point in some tokens."""
    if len(point) != 1 + 2 * curve.octets:
        try:
            point = one(point, OCTET_STRING)
        except DecodeError:
            point = b""
    if len(point) != 1 + 2 * curve.octets or point[0] != 4:
        raise SecurityError("the token shows a public key that is no point")
    return point[1:]


@contextmanager
def _plain_errors(label: str) -> Iterator[None]:
    """Say in one line what PKCS#11 says in return codes."""
    from pkcs11 import PKCS11Error  # noqa: PLC0415  (optional)

    try:
        yield
    except PKCS11Error as error:
        raise _told(label, type(error).__name__, str(error)) from None


def _told(label: str, name: str, detail: str) -> UsageError | SecurityError | LineError:
    token = f"token {label!r}"
    if name in _WRONG_PIN:
        return SecurityError(f"{token}: wrong PIN; it locks after a few")
    if name == "PinLocked":
        return SecurityError(f"{token}: the PIN is locked: its security officer sets a new one")
    if name == "UserAlreadyLoggedIn":
        return UsageError(f"{token} is open in this process already: use that one")
    if name in _LOST:
        return LineError(f"{token}: the session was lost, as when it is pulled out: open it again")
    if name in _WRAPPED:
        return SecurityError(f"{token}: what it wrapped does not unwrap: other key, or altered")
    if name in ("MechanismInvalid", "FunctionNotSupported", "MechanismParamInvalid"):
        return UsageError(f"{token} does not know the mechanism: AES key wrap, ECDSA, ECDH1")
    return UsageError(f"{token}: {name} {detail}".rstrip()[:200])
