"""The one file that says what a head-end is: TOML, every field with a default that is safe.

A field that nobody knows is an error, not a surprise.

Secrets are never in it: fields that name one hold `@FILE` or `env:NAME`.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, ValidationError, convert, field

from ferraris.core.errors import UsageError
from ferraris.line.tls import server_context
from ferraris.line.url import Endpoint, parse_url

__all__ = [
    "Collecting",
    "Configuration",
    "Http",
    "Intake",
    "KeyPlace",
    "Observing",
    "OpenId",
    "Validating",
    "load",
    "parse",
]

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]


class KeyPlace(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the keys are: a file, opened by a passphrase or by a token (PKCS#11)."""

    file: str = "keys.sqlite"
    passphrase: str = ""
    token: str = ""
    module: str = "/usr/lib/softhsm/libsofthsm2.so"
    pin: str = ""
    wrapping_key: str = "ferraris"


class Http(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The API and the page. Without a certificate only loopback addresses are listened on."""

    listen: str = "127.0.0.1:8470"
    certificate: str = ""
    private_key: str = ""
    requests_a_second: Seconds = 50.0
    burst: Positive = 200
    most_body_octets: Positive = 4 << 20
    behind_proxy: bool = False


class OpenId(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An OpenID provider whose tokens are accepted; `roles` maps values of `claim` to roles."""

    issuer: str
    audience: str
    claim: str = "roles"
    roles: dict[str, str] = field(default_factory=dict)
    tenant: str = "main"
    algorithms: tuple[str, ...] = ("RS256", "ES256")


class Collecting(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much is read at a time; limits of segments are in the inventory."""

    active: bool = True
    concurrency: Positive = 200
    timeout_s: Seconds = 10.0
    target: Annotated[float, Meta(gt=0, le=1)] = 0.98
    """The share of the meters that should be read by the deadline; the page measures by it."""
    system_title: str = "FRRHES01"


class Registering(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a meter must fulfil to become active; `tolerate` are verdicts on differences."""

    clock_limit_s: Seconds = 10.0
    renew_keys: bool = True
    agree_keys: bool = True
    trust_passwords: bool = False
    trust_weak: bool = False
    tolerate: tuple[Literal["extra", "unchecked", "missing", "differs"], ...] = (
        "extra",
        "unchecked",
    )


class Validating(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Validation, estimation and editing of what was read."""

    active: bool = True


class Intake(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where meters that push or call in reach the head-end: URLs of `ferraris.listen`.

    `tls://…?cert=FILE&key=FILE&ca=FILE` takes meters over TLS; with `ca` they show a certificate.
    """

    push: tuple[str, ...] = ()
    call_in: tuple[str, ...] = ()


class Observing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Logs to standard error; /metrics, /live and /ready at `metrics`, for who runs the process.

    `spans` is where spans of sessions go: an OTLP address over HTTP, or "log".
    """

    log_level: str = "info"
    log_form: str = "json"
    metrics: str = "127.0.0.1:8471"
    spans: str = ""


class Configuration(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A head-end. Paths are relative to the folder of the file."""

    store: str = "ferraris.sqlite"
    tenant: str = "main"
    zone: str = "UTC"
    keys: KeyPlace = field(default_factory=KeyPlace)
    http: Http = field(default_factory=Http)
    openid: tuple[OpenId, ...] = ()
    collect: Collecting = field(default_factory=Collecting)
    register: Registering = field(default_factory=Registering)
    validate: Validating = field(default_factory=Validating)
    intake: Intake = field(default_factory=Intake)
    observe: Observing = field(default_factory=Observing)
    retention: dict[str, Positive] = field(default_factory=dict)
    folder: str = "."

    def place(self, name: str) -> Path:
        """A path of the file, made absolute."""
        return Path(self.folder, Path(name).expanduser())

    def location(self) -> str:
        """Where the store is: a URL as it is, a file relative to the folder."""
        return self.store if "://" in self.store else str(self.place(self.store))

    def endpoint(self, url: str) -> Endpoint:
        """A listener's URL with the paths of its certificates made absolute.

        Raises `UsageError` for a URL or for certificates that cannot be used.
        """
        endpoint = parse_url(url)
        options = dict(endpoint.options)
        for name in ("ca", "cert", "key"):
            if name in options:
                options[name] = str(self.place(options[name]))
        if "passphrase" in options:
            options["passphrase"] = self.reference(options["passphrase"])
        found = replace(endpoint, options=options)
        if found.line == "tls":
            server_context(found)
        return found

    def reference(self, secret: str) -> str:
        """A secret's name with the path of `@FILE` made absolute."""
        if not secret or secret.startswith("env:"):
            return secret
        if not secret.startswith("@"):
            raise UsageError(
                "a secret stands in the configuration: put it into a file and write @FILE, "
                "or into the environment and write env:NAME",
                where="configuration",
            )
        return f"@{self.place(secret[1:])}"


def load(file: str | Path) -> Configuration:
    """Read the file; raises `UsageError` that names the place and what is wrong there."""
    path = Path(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", where="configuration") from None
    try:
        return parse(content.decode("utf-8"), folder=str(path.resolve().parent))
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path}: not UTF-8 at octet {error.start}", where="configuration"
        ) from None
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", where="configuration") from None


def parse(text: str, *, folder: str = ".") -> Configuration:
    """The configuration of a TOML text; `folder` is where its relative paths begin."""
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(str(error), where="configuration") from None
    if "folder" in document:
        raise UsageError("`folder` is where the file lies, it is not set", where="configuration")
    try:
        return convert(document | {"folder": folder}, Configuration)
    except ValidationError as error:
        raise UsageError(str(error).replace("`$.", "`"), where="configuration") from None
