"""All tables, as the first release has them.

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
    op.create_table("anchor", sa.Column("sequence", BIG, nullable=False), sa.Column("at_s",
        sa.Double(), nullable=False), sa.Column("heads", sa.Text(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False), sa.PrimaryKeyConstraint("sequence",
        name="pk_anchor"))
    op.create_table("audit", sa.Column("chain", sa.Text(), nullable=False), sa.Column("sequence",
        BIG, nullable=False), sa.Column("tenant", BIG, nullable=False), sa.Column("at_s",
        sa.Double(), nullable=False), sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False), sa.Column("subject", sa.Text(),
        nullable=False), sa.Column("outcome", sa.Text(), nullable=False), sa.Column("detail",
        sa.Text(), nullable=False), sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", "sequence", name="pk_audit"))
    op.create_index("ix_audit_tenant_at_s", "audit", ["tenant", "at_s"], unique=False)
    op.create_table("audit_chain", sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("sequence", BIG, nullable=False), sa.Column("hash", sa.LargeBinary(),
        nullable=False), sa.Column("anchored", BIG, nullable=False), sa.Column("forgotten", BIG,
        server_default="0", nullable=False), sa.Column("forgotten_hash", sa.LargeBinary(),
        nullable=False), sa.Column("opened_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_audit_chain"))
    op.create_table("day_total", sa.Column("tenant", sa.Integer(), nullable=False), sa.Column("day",
        sa.Integer(), nullable=False), sa.Column("profile", sa.Integer(), nullable=False),
        sa.Column("channel", sa.Integer(), nullable=False), sa.Column("meter", BIG, nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False), sa.Column("first", BIG, nullable=False),
        sa.Column("last", BIG, nullable=False), sa.Column("least", BIG, nullable=False),
        sa.Column("most", BIG, nullable=False), sa.PrimaryKeyConstraint("tenant", "day", "profile",
        "channel", "meter", name="pk_day_total"), postgresql_partition_by="RANGE (day)",
        sqlite_with_rowid=False)
    op.create_table("tenant", sa.Column("id", BIG, nullable=False), sa.Column("name", sa.Text(),
        nullable=False), sa.PrimaryKeyConstraint("id", name="pk_tenant"),
        sa.UniqueConstraint("name", name="uq_tenant_name"))
    op.create_table("change", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("kind", sa.Text(), nullable=False), sa.Column("subject",
        sa.Text(), nullable=False), sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at_s", sa.Double(), nullable=False), sa.ForeignKeyConstraint(["tenant"],
        ["tenant.id"], name="fk_change_tenant"), sa.PrimaryKeyConstraint("id", name="pk_change"),
        sqlite_autoincrement=True)
    op.create_table("channel", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("name", sa.Text(), nullable=False), sa.Column("is_obis",
        sa.Integer(), server_default="0", nullable=False), sa.Column("class_id", BIG,
        nullable=False), sa.Column("attribute", BIG, nullable=False), sa.Column("element", BIG,
        nullable=False), sa.Column("scaler", BIG, nullable=False), sa.Column("unit", BIG,
        nullable=False), sa.Column("origin", sa.Text(), nullable=False), sa.Column("version", BIG,
        nullable=False), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_channel_tenant"), sa.PrimaryKeyConstraint("id", name="pk_channel"),
        sa.UniqueConstraint("tenant", "name", "is_obis", "class_id", "attribute", "element",
        "scaler", "unit", "origin", name="uq_channel_identity"), sa.UniqueConstraint("tenant",
        "name", "is_obis", "class_id", "attribute", "element", "version",
        name="uq_channel_version"))
    op.create_table("customer", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("name", sa.Text(), nullable=False), sa.Column("erased_s",
        sa.Double(), nullable=True), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_customer_tenant"), sa.PrimaryKeyConstraint("id", name="pk_customer"),
        sa.UniqueConstraint("tenant", "name", name="uq_customer_tenant_name"))
    op.create_table("item", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("kind", sa.Text(), nullable=False), sa.Column("name", sa.Text(),
        nullable=False), sa.Column("period_s", BIG, nullable=False), sa.Column("each", sa.Text(),
        server_default="", nullable=False), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_item_tenant"), sa.PrimaryKeyConstraint("id", name="pk_item"),
        sa.UniqueConstraint("tenant", "kind", "name", "period_s", "each",
        name="uq_item_tenant_kind_name_period_s_each"))
    op.create_table("layout", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("channels", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_layout_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_layout"), sa.UniqueConstraint("tenant", "channels",
        name="uq_layout_tenant_channels"))
    op.create_table("looked_at", sa.Column("tenant", BIG, nullable=False), sa.Column("among",
        sa.Text(), nullable=False), sa.Column("meters", sa.LargeBinary(), nullable=False),
        sa.Column("last_s", sa.Double(), nullable=False), sa.ForeignKeyConstraint(["tenant"],
        ["tenant.id"], name="fk_looked_at_tenant"), sa.PrimaryKeyConstraint("tenant", "among",
        name="pk_looked_at"))
    op.create_table("meter_group", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("name", sa.Text(), nullable=False), sa.Column("query", sa.Text(),
        nullable=False), sa.Column("built_in", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_meter_group_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_meter_group"), sa.UniqueConstraint("tenant", "name",
        name="uq_meter_group_tenant_name"))
    op.create_table("node", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("parent", BIG, nullable=True), sa.Column("kind", sa.Text(),
        nullable=False), sa.Column("name", sa.Text(), nullable=False), sa.Column("address",
        sa.Text(), server_default="", nullable=False), sa.Column("most_sessions", BIG,
        nullable=True), sa.Column("most_connects", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["parent"], ["node.id"], name="fk_node_parent"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_node_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_node"), sa.UniqueConstraint("tenant", "name",
        name="uq_node_tenant_name"))
    op.create_table("plan", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("name", sa.Text(), nullable=False), sa.Column("group_name",
        sa.Text(), server_default="", nullable=False), sa.Column("priority", BIG,
        server_default="4", nullable=False), sa.Column("active", sa.Integer(), server_default="1",
        nullable=False), sa.Column("document", sa.Text(), server_default="{}", nullable=False),
        sa.Column("changed_s", BIG, nullable=False), sa.ForeignKeyConstraint(["tenant"],
        ["tenant.id"], name="fk_plan_tenant"), sa.PrimaryKeyConstraint("id", name="pk_plan"),
        sa.UniqueConstraint("tenant", "name", name="uq_plan_tenant_name"))
    op.create_table("principal", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("name", sa.Text(), nullable=False), sa.Column("issuer",
        sa.Text(), server_default="", nullable=False), sa.Column("subject", sa.Text(),
        server_default="", nullable=False), sa.Column("active", sa.Integer(), server_default="1",
        nullable=False), sa.Column("created_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_principal_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_principal"), sa.UniqueConstraint("tenant", "name",
        name="uq_principal_tenant_name"))
    op.create_index("ix_principal_issuer_subject", "principal", ["issuer", "subject"], unique=False)
    op.create_table("profile", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("obis", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_profile_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_profile"), sa.UniqueConstraint("tenant", "obis",
        name="uq_profile_tenant_obis"))
    op.create_table("push_lists", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False), sa.ForeignKeyConstraint(["tenant"],
        ["tenant.id"], name="fk_push_lists_tenant"), sa.PrimaryKeyConstraint("id",
        name="pk_push_lists"), sa.UniqueConstraint("tenant", "digest",
        name="uq_push_lists_tenant_digest"))
    op.create_table("service_point", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("name", sa.Text(), nullable=False), sa.Column("zone", sa.Text(),
        server_default="UTC", nullable=False), sa.Column("commodity", sa.Text(),
        server_default="electricity", nullable=False), sa.ForeignKeyConstraint(["tenant"],
        ["tenant.id"], name="fk_service_point_tenant"), sa.PrimaryKeyConstraint("id",
        name="pk_service_point"), sa.UniqueConstraint("tenant", "name",
        name="uq_service_point_tenant_name"))
    op.create_table("stranger", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("identity", sa.Text(), nullable=False), sa.Column("peer",
        sa.Text(), nullable=False), sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False), sa.Column("first_s", sa.Double(),
        nullable=False), sa.Column("last_s", sa.Double(), nullable=False), sa.Column("times", BIG,
        nullable=False), sa.Column("decision", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_stranger_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_stranger"), sa.UniqueConstraint("tenant", "identity",
        "reason", name="uq_stranger_tenant_identity_reason"))
    op.create_table("vee_rules", sa.Column("tenant", BIG, nullable=False), sa.Column("name",
        sa.Text(), nullable=False), sa.Column("version", BIG, nullable=False), sa.Column("digest",
        sa.Text(), nullable=False), sa.Column("document", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False), sa.Column("at_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_vee_rules_tenant"),
        sa.PrimaryKeyConstraint("tenant", "name", "version", name="pk_vee_rules"))
    op.create_index("ix_vee_rules_tenant_digest", "vee_rules", ["tenant", "digest"], unique=False)
    op.create_table("worker", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("name", sa.Text(), nullable=False), sa.Column("beat", BIG,
        nullable=False), sa.Column("alive_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_worker_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_worker"), sa.UniqueConstraint("name",
        name="uq_worker_name"))
    op.create_table("access_grant", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("principal", BIG, nullable=False), sa.Column("role", sa.Text(),
        nullable=False), sa.Column("group_name", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name="fk_access_grant_principal"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_access_grant_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_access_grant"), sa.UniqueConstraint("tenant",
        "principal", "role", "group_name", name="uq_access_grant_tenant_principal_role_group_name"))
    op.create_table("idempotency", sa.Column("tenant", BIG, nullable=False), sa.Column("principal",
        BIG, nullable=False), sa.Column("key", sa.Text(), nullable=False), sa.Column("request",
        sa.LargeBinary(), nullable=False), sa.Column("status", BIG, nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False), sa.Column("response", sa.LargeBinary(),
        nullable=False), sa.Column("until_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name="fk_idempotency_principal"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_idempotency_tenant"),
        sa.PrimaryKeyConstraint("tenant", "principal", "key", name="pk_idempotency"))
    op.create_table("item_layout", sa.Column("tenant", BIG, nullable=False), sa.Column("item", BIG,
        nullable=False), sa.Column("layout", BIG, nullable=False), sa.ForeignKeyConstraint(["item"],
        ["item.id"], name="fk_item_layout_item"), sa.ForeignKeyConstraint(["layout"], ["layout.id"],
        name="fk_item_layout_layout"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_item_layout_tenant"), sa.PrimaryKeyConstraint("item", "layout",
        name="pk_item_layout"))
    op.create_table("meter", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("external_id", sa.Text(), nullable=False), sa.Column("kind",
        sa.Text(), server_default="meter", nullable=False), sa.Column("state", sa.Text(),
        server_default="known", nullable=False), sa.Column("behind", BIG, nullable=True),
        sa.Column("channel", BIG, nullable=True), sa.Column("node", BIG, nullable=True),
        sa.Column("system_title", sa.LargeBinary(), nullable=False), sa.Column("serial_number",
        sa.Text(), server_default="", nullable=False), sa.Column("logical_device_name", sa.Text(),
        server_default="", nullable=False), sa.Column("maker", sa.Text(), server_default="",
        nullable=False), sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("medium", sa.Text(), server_default="electricity", nullable=False),
        sa.Column("zone", sa.Text(), server_default="UTC", nullable=False), sa.Column("address",
        sa.Text(), server_default="", nullable=False), sa.Column("contact", sa.Text(),
        server_default="called", nullable=False), sa.Column("awake", sa.Text(), server_default="",
        nullable=False), sa.Column("client", BIG, server_default="1", nullable=False),
        sa.Column("server", BIG, server_default="1", nullable=False), sa.Column("authentication",
        sa.Text(), server_default="gmac", nullable=False), sa.Column("suite", BIG,
        server_default="0", nullable=False), sa.Column("ciphering", sa.Text(),
        server_default="service", nullable=False), sa.Column("first_authentication", sa.Text(),
        server_default="", nullable=False), sa.Column("first_client", BIG, nullable=True),
        sa.Column("companion", sa.Text(), server_default="", nullable=False), sa.Column("template",
        sa.Text(), server_default="", nullable=False), sa.Column("firmware", sa.Text(),
        server_default="", nullable=False), sa.Column("firmware_wanted", sa.Text(),
        server_default="", nullable=False), sa.Column("configuration", sa.Text(), server_default="",
        nullable=False), sa.Column("configuration_wanted", sa.Text(), server_default="",
        nullable=False), sa.Column("delivered", sa.LargeBinary(), nullable=True),
        sa.Column("created_s", BIG, nullable=False), sa.Column("changed_s", BIG, nullable=False),
        sa.Column("version", BIG, server_default="1", nullable=False), sa.Column("heard_s",
        sa.Double(), nullable=True), sa.ForeignKeyConstraint(["behind"], ["meter.id"],
        name="fk_meter_behind"), sa.ForeignKeyConstraint(["node"], ["node.id"],
        name="fk_meter_node"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_meter_tenant"), sa.PrimaryKeyConstraint("id", name="pk_meter"),
        sa.UniqueConstraint("tenant", "external_id", name="uq_meter_tenant_external_id"))
    op.create_index("ix_meter_behind", "meter", ["behind"], unique=False)
    op.create_index("ix_meter_node", "meter", ["node"], unique=False)
    op.create_index("ix_meter_system_title", "meter", ["system_title"], unique=False)
    op.create_index("ix_meter_tenant_state", "meter", ["tenant", "state"], unique=False)
    op.create_table("plan_item", sa.Column("tenant", BIG, nullable=False), sa.Column("plan", BIG,
        nullable=False), sa.Column("item", BIG, nullable=False), sa.ForeignKeyConstraint(["item"],
        ["item.id"], name="fk_plan_item_item"), sa.ForeignKeyConstraint(["plan"], ["plan.id"],
        name="fk_plan_item_plan"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_plan_item_tenant"), sa.PrimaryKeyConstraint("plan", "item", name="pk_plan_item"))
    op.create_table("read_success", sa.Column("tenant", BIG, nullable=False), sa.Column("plan", BIG,
        nullable=False), sa.Column("day", BIG, nullable=False), sa.Column("node", BIG,
        nullable=False), sa.Column("model", sa.Text(), nullable=False), sa.Column("firmware",
        sa.Text(), nullable=False), sa.Column("due", BIG, nullable=False), sa.Column("in_time", BIG,
        nullable=False), sa.Column("late", BIG, nullable=False), sa.Column("lost", BIG,
        server_default="0", nullable=False), sa.Column("deadline_s", sa.Double(), nullable=False),
        sa.Column("counted_s", sa.Double(), nullable=False), sa.Column("final", sa.Integer(),
        server_default="0", nullable=False), sa.ForeignKeyConstraint(["plan"], ["plan.id"],
        name="fk_read_success_plan"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_read_success_tenant"), sa.PrimaryKeyConstraint("plan", "day", "node", "model",
        "firmware", name="pk_read_success"))
    op.create_index("ix_read_success_tenant_day", "read_success", ["tenant", "day"], unique=False)
    op.create_table("token", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("principal", BIG, nullable=False), sa.Column("name", sa.Text(),
        nullable=False), sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_s", sa.Double(), nullable=False), sa.Column("expires_s", sa.Double(),
        nullable=True), sa.Column("revoked_s", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name="fk_token_principal"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_token_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_token"), sa.UniqueConstraint("digest",
        name="uq_token_digest"))
    op.create_table("alarm", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("meter", BIG, nullable=False), sa.Column("name", sa.Text(),
        nullable=False), sa.Column("source", sa.Text(), nullable=False), sa.Column("raised_s",
        sa.Double(), nullable=False), sa.Column("last_s", sa.Double(), nullable=False),
        sa.Column("times", BIG, nullable=False), sa.Column("cleared_s", sa.Double(), nullable=True),
        sa.Column("acknowledged_s", sa.Double(), nullable=True), sa.Column("acknowledged_by",
        sa.Text(), server_default="", nullable=False), sa.Column("comment", sa.Text(),
        server_default="", nullable=False), sa.ForeignKeyConstraint(["meter"], ["meter.id"],
        name="fk_alarm_meter"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_alarm_tenant"), sa.PrimaryKeyConstraint("id", name="pk_alarm"))
    op.create_index("ix_alarm_meter_name", "alarm", ["meter", "name"], unique=False)
    op.create_index("ix_alarm_tenant_meter_name", "alarm", ["tenant", "meter", "name"], unique=True,
        sqlite_where=sa.text("cleared_s IS NULL"), postgresql_where=sa.text("cleared_s IS NULL"))
    op.create_index("ix_alarm_tenant_raised_s", "alarm", ["tenant", "raised_s"], unique=False)
    op.create_table("block", sa.Column("tenant", BIG, nullable=False), sa.Column("meter", BIG,
        nullable=False), sa.Column("profile", BIG, nullable=False), sa.Column("day", BIG,
        nullable=False), sa.Column("layout", BIG, nullable=False), sa.Column("version", BIG,
        nullable=False), sa.Column("rows", BIG, nullable=False), sa.Column("stored_s", BIG,
        nullable=False), sa.Column("source", sa.Text(), server_default="pull", nullable=False),
        sa.Column("seal", BIG, server_default="0", nullable=False), sa.Column("digest",
        sa.LargeBinary(), nullable=False), sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["layout"], ["layout.id"], name="fk_block_layout"),
        sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_block_meter"),
        sa.ForeignKeyConstraint(["profile"], ["profile.id"], name="fk_block_profile"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_block_tenant"),
        sa.PrimaryKeyConstraint("meter", "profile", "day", "layout", "version", name="pk_block"),
        postgresql_partition_by="RANGE (day)")
    op.create_index("ix_block_day", "block", ["day"], unique=False)
    op.create_table("command", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("meter", BIG, nullable=False), sa.Column("kind", sa.Text(),
        nullable=False), sa.Column("parameters", sa.Text(), nullable=False), sa.Column("priority",
        BIG, nullable=False), sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False), sa.Column("requested_s", sa.Double(),
        nullable=False), sa.Column("not_after_s", sa.Double(), nullable=True), sa.Column("ended_s",
        sa.Double(), nullable=True), sa.Column("result", sa.Text(), server_default="",
        nullable=False), sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("worker", BIG, nullable=True), sa.Column("started_s", sa.Double(), nullable=True),
        sa.Column("changes", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_command_meter"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_command_tenant"),
        sa.ForeignKeyConstraint(["worker"], ["worker.id"], name="fk_command_worker"),
        sa.PrimaryKeyConstraint("id", name="pk_command"))
    op.create_index("ix_command_meter", "command", ["meter"], unique=False)
    op.create_index("ix_command_tenant_state", "command", ["tenant", "state"], unique=False)
    op.create_table("contact", sa.Column("tenant", BIG, nullable=False), sa.Column("meter", BIG,
        nullable=False), sa.Column("state", sa.Text(), nullable=False), sa.Column("worker", BIG,
        nullable=True), sa.Column("tries", BIG, nullable=False), sa.Column("not_before_s",
        sa.Double(), nullable=False), sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False), sa.Column("since_s", sa.Double(),
        nullable=False), sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_contact_meter"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_contact_tenant"),
        sa.ForeignKeyConstraint(["worker"], ["worker.id"], name="fk_contact_worker"),
        sa.PrimaryKeyConstraint("meter", name="pk_contact"))
    op.create_index("ix_contact_tenant_state", "contact", ["tenant", "state"], unique=False)
    op.create_index("ix_contact_worker", "contact", ["worker"], unique=False)
    op.create_table("event", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("meter", BIG, nullable=False), sa.Column("log", sa.Text(),
        nullable=False), sa.Column("at_s", BIG, nullable=False), sa.Column("turn", BIG,
        nullable=False), sa.Column("code", BIG, nullable=False), sa.Column("stamp",
        sa.LargeBinary(), nullable=False), sa.Column("detail", sa.Text(), server_default="",
        nullable=False), sa.Column("stored_s", BIG, nullable=False),
        sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_event_meter"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_event_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_event"), sa.UniqueConstraint("meter", "log", "at_s",
        "code", "turn", name="uq_event_meter_log_at_s_code_turn"))
    op.create_index("ix_event_tenant_at_s", "event", ["tenant", "at_s"], unique=False)
    op.create_table("final", sa.Column("tenant", BIG, nullable=False), sa.Column("meter", BIG,
        nullable=False), sa.Column("profile", BIG, nullable=False), sa.Column("channel", BIG,
        nullable=False), sa.Column("day", BIG, nullable=False), sa.Column("version", BIG,
        nullable=False), sa.Column("zone", sa.Text(), nullable=False), sa.Column("start_s", BIG,
        nullable=False), sa.Column("period_s", BIG, nullable=False), sa.Column("intervals", BIG,
        nullable=False), sa.Column("suspect", BIG, nullable=False), sa.Column("estimated", BIG,
        nullable=False), sa.Column("edited", BIG, nullable=False), sa.Column("missing", BIG,
        nullable=False), sa.Column("findings", BIG, nullable=False), sa.Column("rules", sa.Text(),
        nullable=False), sa.Column("stored_s", BIG, nullable=False), sa.Column("seal", BIG,
        server_default="0", nullable=False), sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False), sa.ForeignKeyConstraint(["channel"],
        ["channel.id"], name="fk_final_channel"), sa.ForeignKeyConstraint(["meter"], ["meter.id"],
        name="fk_final_meter"), sa.ForeignKeyConstraint(["profile"], ["profile.id"],
        name="fk_final_profile"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_final_tenant"), sa.PrimaryKeyConstraint("meter", "profile", "channel", "day",
        "version", name="pk_final"), postgresql_partition_by="RANGE (day)")
    op.create_index("ix_final_day", "final", ["day"], unique=False)
    op.create_table("human_edit", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("meter", BIG, nullable=False), sa.Column("profile", BIG,
        nullable=False), sa.Column("channel", BIG, nullable=False), sa.Column("end_s", BIG,
        nullable=False), sa.Column("version", BIG, nullable=False), sa.Column("kind", sa.Text(),
        nullable=False), sa.Column("value", BIG, nullable=True), sa.Column("raw", BIG,
        nullable=True), sa.Column("by", sa.Text(), nullable=False), sa.Column("reason", sa.Text(),
        nullable=False), sa.Column("at_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["channel"], ["channel.id"], name="fk_human_edit_channel"),
        sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_human_edit_meter"),
        sa.ForeignKeyConstraint(["profile"], ["profile.id"], name="fk_human_edit_profile"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_human_edit_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_human_edit"))
    op.create_index("ix_human_edit_meter_profile_channel_end_s_version", "human_edit", ["meter",
        "profile", "channel", "end_s", "version"], unique=True)
    op.create_index("ix_human_edit_meter_profile_end_s", "human_edit", ["meter", "profile",
        "end_s"], unique=False)
    op.create_table("label", sa.Column("tenant", BIG, nullable=False), sa.Column("meter", BIG,
        nullable=False), sa.Column("name", sa.Text(), nullable=False), sa.Column("value", sa.Text(),
        nullable=False), sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_label_meter"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_label_tenant"),
        sa.PrimaryKeyConstraint("meter", "name", name="pk_label"))
    op.create_index("ix_label_tenant_name_value", "label", ["tenant", "name", "value"],
        unique=False)
    op.create_table("lack", sa.Column("tenant", BIG, nullable=False), sa.Column("meter", BIG,
        nullable=False), sa.Column("item", BIG, nullable=False), sa.Column("day", BIG,
        nullable=False), sa.Column("held", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tries", BIG, nullable=False), sa.Column("not_before_s", sa.Double(),
        nullable=False), sa.Column("reason", sa.Text(), nullable=False), sa.Column("message",
        sa.Text(), nullable=False), sa.Column("since_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["item"], ["item.id"], name="fk_lack_item"),
        sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_lack_meter"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_lack_tenant"),
        sa.PrimaryKeyConstraint("meter", "item", "day", name="pk_lack"))
    op.create_index("ix_lack_item_day", "lack", ["item", "day"], unique=False)
    op.create_table("life", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("meter", BIG, nullable=False), sa.Column("before", sa.Text(),
        nullable=False), sa.Column("after", sa.Text(), nullable=False), sa.Column("at_s",
        sa.Double(), nullable=False), sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False), sa.ForeignKeyConstraint(["meter"], ["meter.id"],
        name="fk_life_meter"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_life_tenant"), sa.PrimaryKeyConstraint("id", name="pk_life"))
    op.create_index("ix_life_meter_at_s", "life", ["meter", "at_s"], unique=False)
    op.create_table("log_read", sa.Column("tenant", BIG, nullable=False), sa.Column("meter", BIG,
        nullable=False), sa.Column("log", sa.Text(), nullable=False), sa.Column("until_s", BIG,
        nullable=False), sa.Column("read_s", BIG, nullable=False),
        sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_log_read_meter"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_log_read_tenant"),
        sa.PrimaryKeyConstraint("meter", "log", name="pk_log_read"))
    op.create_table("plan_meter", sa.Column("tenant", BIG, nullable=False), sa.Column("plan", BIG,
        nullable=False), sa.Column("meter", BIG, nullable=False), sa.Column("since_day", BIG,
        nullable=False), sa.Column("until_day", BIG, nullable=True),
        sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_plan_meter_meter"),
        sa.ForeignKeyConstraint(["plan"], ["plan.id"], name="fk_plan_meter_plan"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_plan_meter_tenant"),
        sa.PrimaryKeyConstraint("plan", "meter", name="pk_plan_meter"))
    op.create_index("ix_plan_meter_meter", "plan_meter", ["meter"], unique=False)
    op.create_table("register_read", sa.Column("tenant", BIG, nullable=False), sa.Column("meter",
        BIG, nullable=False), sa.Column("day", BIG, nullable=False), sa.Column("read_s", BIG,
        nullable=False), sa.Column("layout", BIG, nullable=False), sa.Column("version", BIG,
        nullable=False), sa.Column("count", BIG, nullable=False), sa.Column("source", sa.Text(),
        server_default="pull", nullable=False), sa.Column("seal", BIG, server_default="0",
        nullable=False), sa.Column("digest", sa.LargeBinary(), nullable=False), sa.Column("body",
        sa.LargeBinary(), nullable=False), sa.ForeignKeyConstraint(["layout"], ["layout.id"],
        name="fk_register_read_layout"), sa.ForeignKeyConstraint(["meter"], ["meter.id"],
        name="fk_register_read_meter"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_register_read_tenant"), sa.PrimaryKeyConstraint("meter", "day", "read_s", "layout",
        "version", name="pk_register_read"), postgresql_partition_by="RANGE (day)")
    op.create_index("ix_register_read_day", "register_read", ["day"], unique=False)
    op.create_table("registration", sa.Column("tenant", BIG, nullable=False), sa.Column("meter",
        BIG, nullable=False), sa.Column("step", sa.Text(), nullable=False), sa.Column("occasion",
        sa.Text(), nullable=False), sa.Column("peer", sa.Text(), server_default="", nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False), sa.Column("since_s", sa.Double(),
        nullable=False), sa.Column("changed_s", sa.Double(), nullable=False), sa.Column("tries",
        BIG, server_default="0", nullable=False), sa.Column("not_before_s", sa.Double(),
        nullable=False), sa.Column("claimed_by", sa.Text(), server_default="", nullable=False),
        sa.Column("claimed_until_s", sa.Double(), nullable=True), sa.Column("counter_asked",
        sa.Integer(), server_default="0", nullable=False), sa.Column("clock_offset_s", BIG,
        nullable=True), sa.Column("push_lists", BIG, nullable=True), sa.Column("findings",
        sa.Text(), server_default="[]", nullable=False), sa.Column("message", sa.Text(),
        server_default="", nullable=False), sa.ForeignKeyConstraint(["meter"], ["meter.id"],
        name="fk_registration_meter"), sa.ForeignKeyConstraint(["push_lists"], ["push_lists.id"],
        name="fk_registration_push_lists"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_registration_tenant"), sa.PrimaryKeyConstraint("meter", name="pk_registration"))
    op.create_index("ix_registration_step_not_before_s", "registration", ["step", "not_before_s"],
        unique=False)
    op.create_index("ix_registration_tenant_step", "registration", ["tenant", "step"], unique=False)
    op.create_table("reread", sa.Column("tenant", BIG, nullable=False), sa.Column("meter", BIG,
        nullable=False), sa.Column("item", BIG, nullable=False), sa.Column("day", BIG,
        nullable=False), sa.Column("asked_by", sa.Text(), nullable=False), sa.Column("asked_s",
        sa.Double(), nullable=False), sa.ForeignKeyConstraint(["item"], ["item.id"],
        name="fk_reread_item"), sa.ForeignKeyConstraint(["meter"], ["meter.id"],
        name="fk_reread_meter"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_reread_tenant"), sa.PrimaryKeyConstraint("meter", "item", "day", name="pk_reread"))
    op.create_table("service_point_meter", sa.Column("tenant", BIG, nullable=False),
        sa.Column("service_point", BIG, nullable=False), sa.Column("since_s", BIG, nullable=False),
        sa.Column("until_s", BIG, nullable=True), sa.Column("meter", BIG, nullable=False),
        sa.Column("customer", BIG, nullable=True), sa.ForeignKeyConstraint(["customer"],
        ["customer.id"], name="fk_service_point_meter_customer"), sa.ForeignKeyConstraint(["meter"],
        ["meter.id"], name="fk_service_point_meter_meter"),
        sa.ForeignKeyConstraint(["service_point"], ["service_point.id"],
        name="fk_service_point_meter_service_point"), sa.ForeignKeyConstraint(["tenant"],
        ["tenant.id"], name="fk_service_point_meter_tenant"),
        sa.PrimaryKeyConstraint("service_point", "since_s", name="pk_service_point_meter"))
    op.create_index("ix_service_point_meter_customer", "service_point_meter", ["customer"],
        unique=False)
    op.create_index("ix_service_point_meter_meter_since_s", "service_point_meter", ["meter",
        "since_s"], unique=False)
    op.create_table("session", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("meter", BIG, nullable=False), sa.Column("started_s",
        sa.Double(), nullable=False), sa.Column("ended_s", sa.Double(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False), sa.Column("outcome", sa.Text(),
        nullable=False), sa.Column("message", sa.Text(), nullable=False), sa.Column("intervals",
        BIG, nullable=False), sa.Column("registers", BIG, nullable=False), sa.Column("events", BIG,
        nullable=False), sa.Column("deviation_s", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_session_meter"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_session_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_session"))
    op.create_index("ix_session_meter_started_s", "session", ["meter", "started_s"], unique=False)
    op.create_index("ix_session_tenant_started_s", "session", ["tenant", "started_s"], unique=False)
    op.create_table("sign_in", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("principal", BIG, nullable=False), sa.Column("token", BIG,
        nullable=True), sa.Column("grants", sa.Text(), server_default="[]", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False), sa.Column("created_s", sa.Double(),
        nullable=False), sa.Column("seen_s", sa.Double(), nullable=False), sa.Column("until_s",
        sa.Double(), nullable=False), sa.ForeignKeyConstraint(["principal"], ["principal.id"],
        name="fk_sign_in_principal"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_sign_in_tenant"), sa.ForeignKeyConstraint(["token"], ["token.id"],
        name="fk_sign_in_token"), sa.PrimaryKeyConstraint("id", name="pk_sign_in"),
        sa.UniqueConstraint("digest", name="uq_sign_in_digest"))
    op.create_table("undated", sa.Column("id", BIG, nullable=False), sa.Column("tenant", BIG,
        nullable=False), sa.Column("meter", BIG, nullable=False), sa.Column("profile", BIG,
        nullable=False), sa.Column("rows", BIG, nullable=False), sa.Column("stored_s", BIG,
        nullable=False), sa.Column("seal", BIG, server_default="0", nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False), sa.Column("body", sa.LargeBinary(),
        nullable=False), sa.ForeignKeyConstraint(["meter"], ["meter.id"], name="fk_undated_meter"),
        sa.ForeignKeyConstraint(["profile"], ["profile.id"], name="fk_undated_profile"),
        sa.ForeignKeyConstraint(["tenant"], ["tenant.id"], name="fk_undated_tenant"),
        sa.PrimaryKeyConstraint("id", name="pk_undated"), sa.UniqueConstraint("meter", "profile",
        "digest", name="uq_undated_meter_profile_digest"))
    op.create_table("vee_due", sa.Column("tenant", BIG, nullable=False), sa.Column("meter", BIG,
        nullable=False), sa.Column("profile", BIG, nullable=False), sa.Column("day", BIG,
        nullable=False), sa.Column("local", sa.Integer(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False), sa.Column("since_s", sa.Double(),
        nullable=False), sa.Column("marks", BIG, server_default="1", nullable=False),
        sa.Column("claimed_until_s", sa.Double(), nullable=True), sa.ForeignKeyConstraint(["meter"],
        ["meter.id"], name="fk_vee_due_meter"), sa.ForeignKeyConstraint(["profile"], ["profile.id"],
        name="fk_vee_due_profile"), sa.ForeignKeyConstraint(["tenant"], ["tenant.id"],
        name="fk_vee_due_tenant"), sa.PrimaryKeyConstraint("meter", "profile", "day",
        name="pk_vee_due"))
    op.create_index("ix_vee_due_tenant_day_meter", "vee_due", ["tenant", "day", "meter"],
        unique=False)
    if op.get_bind().dialect.name == "postgresql":
        for table in (
            "day_total",
            "block",
            "final",
            "register_read",
        ):
            op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
