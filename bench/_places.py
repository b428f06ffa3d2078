"""Where the benchmarks of the head-end put their stores: empty before, gone afterwards."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text

from ferraris.headend.store.engine import Engine

__all__ = ["named", "place"]


@contextlib.contextmanager
def place(url: str) -> Iterator[str]:
    """A new SQLite file, or with the URL of a PostgreSQL database a new schema in it."""
    if not url:
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder) / "bench.sqlite")
        return
    schema, engine = f"ferraris_bench_{uuid.uuid4().hex}", Engine(url)
    with engine.transaction() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        yield f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{schema}"
    finally:
        with engine.transaction() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        engine.close()


def named(arguments: list[str]) -> list[str]:
    """Take every `--store URL` out of the arguments of a command; the URLs."""
    urls = []
    while "--store" in arguments:
        at = arguments.index("--store")
        urls.append(arguments[at + 1])
        del arguments[at : at + 2]
    return urls
