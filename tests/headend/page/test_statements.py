"""How often a page asks the store: as often for many meters as for few."""

from __future__ import annotations

import pytest
import town
from sqlalchemy import event, insert
from sqlalchemy.engine import Engine as Asked

from ferraris.headend.store.tables.collecting import CONTACT
from ferraris.headend.store.tables.inventory import STRANGER
from ferraris.headend.store.tables.readings import ALARM

PATHS = (
    "/",
    "/missing",
    "/missing?segment=Hafen",
    "/lost",
    "/meters",
    "/alarms?shown=all",
    "/strangers",
)
AT = {"raised_s": town.NOW, "last_s": town.NOW, "times": 1}
STATE = {"tries": 1, "not_before_s": 0, "reason": "line", "message": "", "since_s": town.NOW}


@pytest.fixture
def statements():
    """What is asked of stores, as a list that grows."""
    asked = []

    def listen(connection, cursor, statement, *_):
        asked.append(statement)

    event.listen(Asked, "before_cursor_execute", listen)
    yield asked
    event.remove(Asked, "before_cursor_execute", listen)


def test_a_page_of_many_asks_no_more_than_a_page_of_few(place, enter, statements):
    visitor = enter("administrator")

    def counted():
        found = {}
        for path in PATHS:
            visitor.get(path)  # what is found once is found
            statements.clear()
            assert visitor.get(path).status_code == 200
            found[path] = len(statements)
        return found

    few = counted()
    with place.engine.transaction() as connection:
        for number in range(20, 60):
            own = {"tenant": 1, "meter": number}
            connection.execute(insert(CONTACT).values(**own, state="waiting", **STATE))
            connection.execute(insert(ALARM).values(**own, name="fire", source="push", **AT))
            told = {"peer": "", "reason": "unknown", "message": "", "identity": f"many {number}"}
            times = {"first_s": town.NOW, "last_s": town.NOW, "times": 1}
            connection.execute(insert(STRANGER).values(tenant=1, **told, **times))
    many = counted()
    assert many == few
    assert max(few.values()) < 60
    assert few["/missing"] < 18
