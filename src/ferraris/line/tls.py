"""TLS: both drivers and listeners, with one side or both sides shown by certificate.

Options of a URL: `ca` is a file with the certificates that are trusted (by default the system's;
for a listener it means that clients must show one), `cert` and `key` are files with our own
certificate and its key (PEM), `passphrase` names the secret that opens the key: `@FILE` or
`env:NAME`. `insecure=1` of a client checks neither name nor certificate, and warns.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ferraris.core.errors import Error, LineError, SecurityError, UsageError
from ferraris.core.layer import Layer
from ferraris.line import tcp
from ferraris.line.asynchronous import AsyncDriver
from ferraris.line.blocking import BlockingDriver
from ferraris.line.url import Endpoint

__all__ = [
    "client_context",
    "connect",
    "connect_blocking",
    "explain",
    "listen",
    "server_context",
]

In = TypeVar("In")
Out = TypeVar("Out")

_LOG = logging.getLogger("ferraris.tls")
_WHERE = "tls"
_NOT_YET_VALID, _EXPIRED, _WRONG_NAME, _WRONG_ADDRESS = 9, 10, 62, 64  # X509_V_ERR_* of OpenSSL
_MOST_PASSPHRASE_OCTETS = 1024


async def connect(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> AsyncDriver[In, Out]:
    """Connect to `endpoint`; the stack itself is opened by the driver's `open`.

    Raises `LineError` when nobody answers, `SecurityError` when one side does not trust the other,
    `UsageError` for files that cannot be used.
    """
    driver = AsyncDriver(layer, asyncio.get_running_loop(), is_push=is_push, on_push=on_push)
    driver.explain = lambda cause: explain(endpoint, cause, opened=driver.opened)
    driver.farewell = True
    await tcp.connected(endpoint, driver, timeout_s, client_context(endpoint))
    return driver


def connect_blocking(
    endpoint: Endpoint,
    layer: Layer[In, Out, bytes],
    *,
    timeout_s: float = 10.0,
    is_push: Callable[[Out], bool] | None = None,
    on_push: Callable[[Out], None] | None = None,
) -> BlockingDriver[In, Out]:
    """The same on a blocking socket."""
    context = client_context(endpoint)
    plain = tcp.open_socket(endpoint, timeout_s)
    try:
        connection = context.wrap_socket(plain, server_hostname=endpoint.host.partition("%")[0])
    except TimeoutError:
        plain.close()
        raise tcp.silent(endpoint, timeout_s) from None
    except OSError as cause:
        plain.close()
        raise explain(endpoint, cause) from None
    driver = BlockingDriver(layer, connection, is_push=is_push, on_push=on_push)
    driver.explain = lambda cause: explain(endpoint, cause, opened=driver.opened)
    return driver


async def listen(
    endpoint: Endpoint,
    make_layer: Callable[[], Layer[Any, Any, bytes]],
    *,
    on_unit: Callable[[str, Any], None] | None = None,
) -> tcp.Listener:
    """Accept connections at `endpoint`; clients that cannot be trusted do not reach a stack.

    Raises `LineError` when the address cannot be had, `UsageError` without certificate and key.
    """
    return await tcp.listen(endpoint, make_layer, on_unit=on_unit, context=server_context(endpoint))


# -- contexts -----------------------------------------------------------------------------


def client_context(endpoint: Endpoint) -> ssl.SSLContext:
    """TLS 1.2 and newer; the name or address in the URL must be in the server's certificate."""
    if endpoint.options.get("insecure") == "1":
        warnings.warn(
            f"{endpoint}: insecure=1: whoever answers is taken for the meter; name its authority "
            "with ca=FILE instead",
            stacklevel=3,
        )
    return _context("client", *_files(endpoint))


def server_context(endpoint: Endpoint) -> ssl.SSLContext:
    """TLS 1.2 and newer; with `ca`, clients show a certificate of that authority.

    It follows its files: each handshake takes the certificate, the key and the authorities that
    they hold by then. Files that cannot be used any more are told once each time they change, in
    the log, and those from before stay in use.
    """
    if "cert" not in endpoint.options:
        raise UsageError(
            f"{endpoint}: a listener shows a certificate: cert=FILE&key=FILE", where=_WHERE
        )
    if endpoint.options.get("insecure") == "1":
        raise UsageError(
            f"{endpoint}: insecure=1 is for clients; leave ca= out to take any client",
            where=_WHERE,
        )
    newest = _context("server", *_files(endpoint))
    door = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    door.minimum_version = ssl.TLSVersion.TLSv1_2
    door.verify_mode = newest.verify_mode
    told = ""

    def choose(connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        nonlocal newest, told
        try:
            newest = _context("server", *_files(endpoint))
            told = ""
        except UsageError as error:
            if error.message != told:
                told = error.message
                _LOG.error("%s keeps the certificate that it has: %s", endpoint, told)
        connection.context = newest

    door.sni_callback = choose  # called with every hello, with or without a name in it
    return door


_Option = tuple[str, str, int]  # name, text, when the file was changed


def _files(endpoint: Endpoint) -> tuple[_Option, ...]:
    """The options, with the age of their files: a context serves until one of them changes."""
    options = endpoint.options
    if "key" in options and "cert" not in options:
        raise UsageError("key= in the URL needs its certificate: cert=FILE", where=_WHERE)
    found = []
    for name in ("ca", "cert", "key", "passphrase", "insecure"):
        if name in options:
            changed = 0
            if name in ("ca", "cert", "key"):
                try:
                    changed = Path(options[name]).stat().st_mtime_ns
                except OSError as cause:
                    raise _unreadable(name, options[name], cause) from None
            found.append((name, options[name], changed))
    return tuple(found)


@functools.lru_cache(maxsize=64)
def _context(role: str, *given: _Option) -> ssl.SSLContext:
    options = {name: text for name, text, _ in given}
    protocol = ssl.PROTOCOL_TLS_CLIENT if role == "client" else ssl.PROTOCOL_TLS_SERVER
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    ca = options.get("ca")
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except OSError as cause:
            raise _unreadable("ca", ca, cause) from None
    elif role == "client":
        context.load_default_certs()
    if role == "server" and ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    if options.get("insecure") == "1":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "cert" in options:
        _show(context, options)
    return context


def _show(context: ssl.SSLContext, options: dict[str, str]) -> None:
    """Load our own certificate and its key."""
    cert, key = options["cert"], options.get("key")
    reference = options.get("passphrase")

    def passphrase() -> bytes:
        if reference is None:
            raise UsageError(
                f"key={key or cert} is locked: name its passphrase, passphrase=@FILE or env:NAME",
                where=_WHERE,
            )
        return _secret(reference)

    try:
        context.load_cert_chain(cert, key, passphrase)
    except OSError as cause:
        if isinstance(cause, ssl.SSLError) and cause.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(f"key={key} is not the key of cert={cert}", where=_WHERE) from None
        if reference is not None:
            raise UsageError(
                f"key={key or cert} does not open: wrong passphrase, or no key in PEM form",
                where=_WHERE,
            ) from None
        raise _unreadable("cert" if key is None else "cert or key", cert, cause) from None


def _secret(reference: str) -> bytes:
    if reference.startswith("env:"):
        name = reference.removeprefix("env:")
        text = os.environ.get(name)
        if text is None:
            raise UsageError(f"environment variable {name} is not set", where=_WHERE)
        return text.encode()
    name = reference.removeprefix("@")
    try:
        with Path(name).open("rb") as file:
            return file.read(_MOST_PASSPHRASE_OCTETS).rstrip(b"\r\n")
    except OSError as cause:
        raise UsageError(f"file {name}: {cause.strerror}", where=_WHERE) from None


def _unreadable(name: str, file: str, cause: OSError) -> Error:
    reason = "holds nothing in PEM form" if isinstance(cause, ssl.SSLError) else cause.strerror
    return UsageError(f"{name}={file}: {reason}", where=_WHERE)


# -- what went wrong ----------------------------------------------------------------------

# OpenSSL's reasons, by a part of their names, and what to do [memory].
_REASONS = (
    (
        ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE"),
        "wants to see a certificate, or another kind of one: give cert=FILE&key=FILE",
    ),
    (("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN"), "does not trust our certificate"),
    (("ALERT_CERTIFICATE_EXPIRED",), "says that our certificate has expired"),
    (
        ("WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"),
        "does not speak TLS: is it tcp://, or another port?",
    ),
    (("UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION"), "speaks no TLS as new as 1.2"),
)


def explain(endpoint: Endpoint, cause: BaseException | None, *, opened: bool = False) -> Error:
    """Why the line was lost, and what helps; `opened` when the stack had met its peer.

    Many servers hang up without a word on a client that they do not trust, and with TLS 1.3 the
    client learns of it only after the handshake.
    """
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SecurityError(f"{endpoint}: {_distrust(endpoint, cause)}", where=_WHERE)
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        reason = cause.reason or ""
        for parts, words in _REASONS:
            if any(part in reason for part in parts):
                return SecurityError(f"{endpoint} {words}", where=_WHERE)
        return SecurityError(f"{endpoint}: {reason or cause}", where=_WHERE)
    hint = ""
    if not opened and "cert" in endpoint.options:
        hint = ": perhaps it does not trust our certificate"
    elif not opened:
        hint = ": perhaps it wants to see a certificate, cert=FILE&key=FILE, or speaks no TLS"
    if cause is None or isinstance(cause, (ConnectionError, ssl.SSLEOFError)):
        return LineError(f"{endpoint} closed the connection{hint}", where=_WHERE)
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return LineError(f"{endpoint}: {text}", where=_WHERE)


def _distrust(endpoint: Endpoint, cause: ssl.SSLCertVerificationError) -> str:
    code = cause.verify_code
    if code == _EXPIRED:
        return "its certificate has expired: it needs a new one"
    if code == _NOT_YET_VALID:
        return "its certificate is not valid yet: is the clock of this computer right?"
    if code in (_WRONG_NAME, _WRONG_ADDRESS):
        return (
            f"its certificate is for another name than {endpoint.host}: use the name that is in "
            "it, or have it made out to this one"
        )
    return (
        f"its certificate is not from an authority that we trust ({cause.verify_message}): name "
        "that authority with ca=FILE"
    )
