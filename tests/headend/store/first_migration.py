"""Writes the first migration from METADATA again.

    python tests/headend/store/first_migration.py

There is one migration until the first release: whoever changes a table in `store/tables/` runs
this and commits what it wrote; `test_migrations.py` fails until then. After the release, changes
are migrations of their own.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy import BigInteger, create_engine

from ferraris.headend.store import migrations
from ferraris.headend.store.partitions import PARTITIONED
from ferraris.headend.store.tables import METADATA

FILE = Path(migrations.__file__).parent / "versions" / "r0001_first.py"


def item(kind: str, thing: object, _: object) -> str | bool:
    """Our one special type by its name; the rest as Alembic writes it."""
    return "BIG" if kind == "type" and isinstance(thing, BigInteger) else False


OPTIONS = {
    "sqlalchemy_module_prefix": "sa.",
    "alembic_module_prefix": "op.",
    "user_module_prefix": None,
    "target_metadata": METADATA,
    "render_item": item,
}

FRAME = '''"""All tables, as the first release has them.

Written by tests/headend/store/first_migration.py out of `store/tables/`.
"""
# fmt: off
# ruff: noqa: PLR0915 - nobody wrote it, nobody changes it

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# SQLite gives numbers by itself only to a plain INTEGER PRIMARY KEY.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and in PostgreSQL where rows of months that nobody made lie."""
%s
    if op.get_bind().dialect.name == "postgresql":
        for table in (
%s
        ):
            op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
'''


def statements() -> list[str]:
    """One operation for each table and index, in an order that references allow."""
    made = []
    with create_engine("sqlite://").connect() as connection:
        context = MigrationContext.configure(connection, opts=OPTIONS)
        autogenerate = AutogenContext(context, METADATA)
        for table in METADATA.sorted_tables:
            steps: list[ops.MigrateOperation] = [ops.CreateTableOp.from_table(table)]
            indexes = sorted(table.indexes, key=lambda index: str(index.name))
            steps += [ops.CreateIndexOp.from_index(index) for index in indexes]
            made += [filled(" ".join(render_op(autogenerate, step))) for step in steps]
    return made


def filled(statement: str) -> str:
    """One operation, filled into lines that break between arguments and never in a string."""
    text = " ".join(statement.split())
    text = re.sub(r"op\.f\(('[^']*')\)", r"\1", text).replace("'", '"')
    text = text.replace("( ", "(").replace(" )", ")")
    glued = re.sub(r'"[^"]*"', lambda match: match[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(
        glued,
        100,
        initial_indent=" " * 4,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace("\0", " ")


def text() -> str:
    """The whole file."""
    tables = "\n".join(f'            "{name}",' for name in PARTITIONED)
    return FRAME % ("\n".join(statements()), tables)


if __name__ == "__main__":
    FILE.write_text(text())
    print(f"{FILE}: {len(METADATA.tables)} tables")
