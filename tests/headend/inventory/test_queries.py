from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferraris.core.errors import UsageError
from ferraris.headend import inventory
from ferraris.headend.errors import ConflictError, NotFoundError
from ferraris.headend.inventory import AllOf, AnyOf, Condition, Kind, NewMeter, Not, Value
from ferraris.headend.inventory.query import FIELDS, MOST_DEPTH

PARENTS = {"Net": None, "Cell-7": "Net", "Cell-8": "Net", "Con": "Cell-7", "Löhne ö": None}
WORDS = ["", "FRR-1", "FRR-2", "frr-1", "Main Street", "ö", 'a"b\\c', "and", "FRR"]
TEXTS = st.sampled_from(WORDS) | st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=4
)
VALUES = st.builds(Value, TEXTS, st.booleans())


def conditions():
    def one(field):
        words = FIELDS.get(field)
        if words is not None:
            values = st.sampled_from([Value(word) for word in words])
        elif field in ("node", "below"):
            values = st.sampled_from([Value(name) for name in (*PARENTS, "Gone")]) | VALUES
        elif field in ("id", "behind"):
            values = st.sampled_from(
                [Value("E01"), Value("E0", True), Value("GW"), Value("", True)]
            )
        else:
            values = VALUES
        return st.builds(
            Condition, st.just(field), st.lists(values, min_size=1, max_size=3).map(tuple)
        )

    return st.sampled_from([*FIELDS, "label.street", "label.x_1"]).flatmap(one)


def parts(queries):
    return st.lists(queries, max_size=3).filter(lambda found: len(found) != 1).map(tuple)


QUERIES = st.recursive(
    conditions(),
    lambda below: (
        st.builds(Not, below) | st.builds(AllOf, parts(below)) | st.builds(AnyOf, parts(below))
    ),
    max_leaves=6,
)


def holds(query, meter):
    """What a query means, in plain Python."""
    if isinstance(query, AllOf):
        return all(holds(part, meter) for part in query.parts)
    if isinstance(query, AnyOf):
        return any(holds(part, meter) for part in query.parts)
    if isinstance(query, Not):
        return not holds(query.part, meter)

    def fits(text):
        return text is not None and any(
            text.startswith(value.text) if value.prefix else text == value.text
            for value in query.values
        )

    if query.field == "differs":
        return any(
            getattr(meter, f"{value.text}_wanted") not in ("", getattr(meter, value.text))
            for value in query.values
        )
    if query.field == "below":
        way, at = [], meter.node
        while at is not None:
            way.append(at)
            at = PARENTS[at]
        return any(map(fits, way))
    if query.field.startswith("label."):
        return fits(meter.labels.get(query.field.removeprefix("label.")))
    return fits(
        getattr(
            meter, {"id": "external_id", "serial": "serial_number"}.get(query.field, query.field)
        )
    )


@settings(max_examples=100, deadline=None)
@given(query=QUERIES)
def test_text_and_document_come_back_as_they_were(query):
    text = inventory.query_text(query)
    assert inventory.parse_query(text) == query
    assert inventory.parse_query(f" ( {text} )\n") == query
    assert inventory.from_document(json.loads(json.dumps(inventory.to_document(query)))) == query


@pytest.fixture
def street(engine):
    """Thirty meters that differ in everything, one of another tenant, and what they are."""
    with engine.transaction() as connection:
        tenant = inventory.tenant_number(connection, "north", make=True)
        other = inventory.tenant_number(connection, "south", make=True)
        for name, parent in PARENTS.items():
            kind = "network" if name in ("Net", "Löhne ö") else "cell"
            inventory.create_node(connection, tenant, name, kind, parent=parent)
        inventory.create_node(connection, other, "Net", "network")
        pick = lambda words, n: words[n % len(words)]  # noqa: E731
        news = [NewMeter(external_id="GW", kind=Kind.GATEWAY, node="Con")]
        for n in range(30):
            behind = pick([None, None, None, "GW"], n)
            news.append(
                NewMeter(
                    external_id=f"E{n:02d}",
                    behind=behind,
                    node=None if behind else pick([None, *PARENTS], n),
                    model=pick(WORDS, n),
                    maker=pick(WORDS, n // 2),
                    serial_number=pick(WORDS, n // 3),
                    medium=pick(["electricity", "gas"], n),
                    companion=pick(WORDS, n + 1),
                    template=pick(WORDS, n + 2),
                    firmware=pick(["1", "2", "FRR-1"], n),
                    firmware_wanted=pick(["", "2"], n),
                    configuration=pick(["", "a"], n),
                    configuration_wanted=pick(["", "a", "b"], n),
                    contact=pick(["called", "calls in", "sleepy"], n),
                    authentication=pick(["none", "password", "gmac"], n // 2),
                    labels=pick(
                        [{}, {"street": "Main Street"}, {"street": "ö", "x_1": "FRR-1"}], n
                    ),
                )
            )
        rows = inventory.enrol(connection, tenant, news, at_s=0)
        inventory.enrol(connection, other, [NewMeter(external_id="E01", node="Net")], at_s=0)
        how = {"reason": "", "by": "", "at_s": 0}
        for step, last in (("installed", 20), ("active", 12), ("suspended", 5)):
            moved = [rows[f"E{n:02d}"] for n in range(last)]
            inventory.move_many(connection, tenant, moved, step, **how)
    with engine.reading() as connection:
        return tenant, inventory.meters(connection, tenant)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(queries=st.lists(QUERIES, min_size=3, max_size=8))
def test_the_database_finds_what_the_query_means(engine, street, queries):
    tenant, meters = street
    with engine.reading() as connection:
        for query in queries:
            selection = inventory.selection_of(query, tenant)
            found = set(connection.execute(selection).scalars())
            assert found == {each.number for each in meters if holds(query, each)}, query


def test_several_trees_in_one_statement(engine, street):
    tenant, meters = street
    with engine.reading() as connection:
        seven = inventory.selection_of(inventory.parse_query("below=Cell-7"), tenant)
        where = inventory.condition_of(
            inventory.parse_query("below=Net and not below=Cell-8"), tenant
        )
        from ferraris.headend.store.tables.inventory import METER

        found = inventory.meters(connection, tenant, where=where & METER.c.id.in_(seven))
        assert {each.node for each in found} == {"Cell-7", "Con"}
        assert len(found) == sum(each.node in ("Cell-7", "Con") for each in meters)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (
            "state=actve",
            1,
            "state: one of known, installed, active, suspended, retired, not 'actve'",
        ),
        ("state=active und model=x", 14, "'and', 'or' or the end is needed, but there is 'und"),
        ("modle=x", 1, "no field 'modle'; there are id, kind"),
        ("state=active and", 17, "a condition.*but there is the end"),
        ("state active", 7, "= or != behind state is needed"),
        ("state=", 7, "a value is needed"),
        ("(state=active", 14, r"'\)' is needed, but there is the end"),
        ("state=active)", 13, "the end is needed"),
        ('model="abc', 7, "a value is needed"),
        ("model=a,,b", 9, "a value is needed"),
        ("state=act*", 1, "state: one of"),
        ("label.=x", 1, "no field"),
        ("not", 4, "a condition"),
        ("model=it's", 9, "the end is needed"),
        ("x" * 10_001, 0, "at most 10000 characters"),
        ("model=" + "x" * 201, 1, "at most 200"),
        ("(" * 2000, MOST_DEPTH + 1, "nested at most"),
        ("not " * 2000, 4 * MOST_DEPTH, "nested at most"),
        ("model=x" + ",x" * 1000, 0, "at most 1000 parts"),
        ("model=a\x00b", 1, "printable"),
    ],
)
def test_what_is_no_query_names_the_place(text, place, message):
    with pytest.raises(inventory.QueryError, match=message) as raised:
        inventory.parse_query(text)
    assert raised.value.place == place


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"state": ["active"], "model": ["x"]},
        {"state": []},
        {"state": [1]},
        {"state": "dead"},
        {"all": {}},
        {"not": []},
        {"model": {"suffix": "x"}},
        {"model": {"prefix": 1}},
        {"all": [{"x": "y"}]},
        {"id; DROP TABLE meter": ["x"]},
    ],
)
def test_what_is_no_document(document):
    with pytest.raises(inventory.QueryError):
        inventory.from_document(document)
    deep = document
    for _ in range(1000):
        deep = {"not": deep}
    with pytest.raises(inventory.QueryError):
        inventory.from_document(deep)


def test_groups_have_names_and_follow_the_inventory(engine, street):
    tenant, meters = street
    with engine.transaction() as connection:
        made = inventory.create_group(connection, tenant, "seven", "below=Cell-7 and state=active")
        assert made == inventory.group(connection, tenant, "seven")
        assert made.text == "below=Cell-7 and state=active"
        before = inventory.members(connection, tenant, "seven")
        assert before == sorted(
            each.number
            for each in meters
            if each.node in ("Cell-7", "Con") and each.state == "active"
        )
        inventory.move(connection, before[0], "suspended", reason="", by="", at_s=0)
        assert inventory.members(connection, tenant, "seven") == before[1:]
        assert len(inventory.members(connection, tenant, "all")) == len(meters)
        inventory.change_group(connection, tenant, "seven", "model=x")
        assert inventory.members(connection, tenant, "seven") == []
        with pytest.raises(UsageError, match="built in"):
            inventory.change_group(connection, tenant, "all", "model=x")
        with pytest.raises(UsageError, match="built in"):
            inventory.delete_group(connection, tenant, "active")
        inventory.delete_group(connection, tenant, "seven")
        with pytest.raises(NotFoundError, match="no group 'seven'"):
            inventory.members(connection, tenant, "seven")
    with pytest.raises(ConflictError, match="already"), engine.transaction() as connection:
        inventory.create_group(connection, tenant, "all", "all")
