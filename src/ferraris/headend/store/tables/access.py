"""Who may do what, what was done, and what is new: principals, grants, audit, changes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Index, Table, UniqueConstraint

from ferraris.headend.store.tables.base import (
    METADATA,
    flag,
    identity,
    moment,
    number,
    octets,
    refers,
    tenant,
    text,
)

__all__ = [
    "ANCHOR",
    "AUDIT",
    "CHAIN",
    "CHANGE",
    "GRANT",
    "IDEMPOTENCY",
    "LOOKED_AT",
    "PRINCIPAL",
    "SIGN_IN",
    "TOKEN",
]

# A person or program; `subject` is that of an OpenID provider, with its issuer.
PRINCIPAL: Final = Table(
    "principal",
    METADATA,
    identity(),
    tenant(),
    text("name"),
    text("issuer", default=""),
    text("subject", default=""),
    flag("active", default=True),
    moment("created_s"),
    UniqueConstraint("tenant", "name"),
    Index(None, "issuer", "subject"),
)

# Only a hash of a token is kept.
TOKEN: Final = Table(
    "token",
    METADATA,
    identity(),
    tenant(),
    refers("principal", "principal"),
    text("name"),
    octets("digest"),
    moment("created_s"),
    moment("expires_s", null=True),
    moment("revoked_s", null=True),
    UniqueConstraint("digest"),
)

# A role for a group of meters of a tenant, or for all of them (`group_name` empty).
GRANT: Final = Table(
    "access_grant",
    METADATA,
    identity(),
    tenant(),
    refers("principal", "principal"),
    text("role"),
    text("group_name", default=""),
    UniqueConstraint("tenant", "principal", "role", "group_name"),
)

# The head of each chain of the audit log, and what anchors know of it. Whoever writes to a chain
# holds this row until the commit. Lines up to `forgotten` have outlived their time.
CHAIN: Final = Table(
    "audit_chain",
    METADATA,
    text("chain", key=True),
    number("sequence"),
    octets("hash"),
    number("anchored"),
    number("forgotten", default=0),
    octets("forgotten_hash"),
    moment("opened_s"),
)

# One chain for each process: `hash` covers the line and the hash before it.
AUDIT: Final = Table(
    "audit",
    METADATA,
    text("chain", key=True),
    number("sequence", key=True),
    number("tenant"),  # no reference: the line outlives whatever it speaks of
    moment("at_s"),
    text("principal"),
    text("action"),
    text("subject"),
    text("outcome"),  # done, refused, failed
    text("detail"),  # JSON, without secrets and readings
    octets("hash"),
    Index(None, "tenant", "at_s"),
)

# The meters of a look at many of them, by the hash that the line in the audit log has of them.
# Who looks at the same group each night needs one row.
LOOKED_AT: Final = Table(
    "looked_at",
    METADATA,
    tenant(key=True),
    text("among", key=True),
    octets("meters"),
    moment("last_s"),
)

# The heads of all chains at a moment, themselves a chain: a chain that lost its end shows.
ANCHOR: Final = Table(
    "anchor",
    METADATA,
    number("sequence", key=True),
    moment("at_s"),
    text("heads"),  # JSON: chain to [sequence, hash]
    octets("hash"),
)

# What is new, for those who watch; kept for a while. `id` orders it.
CHANGE: Final = Table(
    "change",
    METADATA,
    identity(),
    tenant(),
    text("kind"),  # meter, session, readings, success, alarm, command, stranger, plan
    text("subject"),  # external id, name or number
    text("detail"),  # JSON
    moment("at_s"),
    sqlite_autoincrement=True,
)

# A browser that has signed in with a token; only a hash of its secret is kept.
SIGN_IN: Final = Table(
    "sign_in",
    METADATA,
    identity(),
    tenant(),
    refers("principal", "principal"),
    refers("token", "token", null=True),
    text("grants", default="[]"),  # JSON: what an OpenID provider vouched for
    octets("digest"),
    moment("created_s"),
    moment("seen_s"),
    moment("until_s"),
    UniqueConstraint("digest"),
)

# What a request with an idempotency key was answered.
IDEMPOTENCY: Final = Table(
    "idempotency",
    METADATA,
    tenant(key=True),
    refers("principal", "principal", key=True),
    text("key", key=True),
    octets("request"),  # hash of method, path and body
    number("status"),
    text("media_type"),
    octets("response"),
    moment("until_s"),
)
