"""What people do from the page: alarms, strangers, reads; by operations, audited, with rights."""

from __future__ import annotations

import base64
import itertools
import json
import re

import pytest
import town
from front import both, form_key, plain, section
from sqlalchemy import insert, select

from ferraris.crypto.certificates import Usage
from ferraris.headend.store.tables.access import AUDIT
from ferraris.headend.store.tables.collecting import COMMAND, CONTACT
from ferraris.headend.store.tables.inventory import METER, REGISTRATION, STRANGER
from ferraris.headend.store.tables.readings import ALARM
from ferraris.meter.fleet import Fleet
from ferraris.meter.templates import template

SECRET = "00112233445566778899aabbccddeeff"
NUMBERS = itertools.count(0x4652_5200_0000_0042)


@pytest.fixture
def alarm(place):
    """A new alarm; its number."""
    times = {"raised_s": town.NOW - 60, "last_s": town.NOW - 30, "times": 1}
    return put(place, ALARM, meter=21, name=f"fire {next(NUMBERS)}", source="push", **times)


@pytest.fixture
def stranger(place):
    """Somebody new who waits; the number."""
    times = {"first_s": town.NOW - 900, "last_s": town.NOW - 30, "times": 4}
    told = {"identity": f"{next(NUMBERS):x}", "peer": "10.20.0.8:51234", "reason": "unknown"}
    return put(place, STRANGER, **told, message="", **times)


def put(place, table, **values):
    with place.engine.transaction() as connection:
        made = insert(table).values(tenant=1, **values).returning(table.c.id)
        return connection.execute(made).scalar_one()


def row(place, table, number):
    with place.engine.reading() as connection:
        return connection.execute(select(table).where(table.c.id == number)).one()


def audited(place, action):
    with place.engine.reading() as connection:
        lines = connection.execute(
            select(AUDIT).where(AUDIT.c.action == action).order_by(AUDIT.c.sequence.desc())
        )
        return lines.first()


@both
def test_an_alarm_is_acknowledged_with_a_comment(place, enter, alarm):
    visitor = enter("operator")
    page = section(visitor.get("/alarms").text, "alarms")
    assert f'action="/alarms/{alarm}/acknowledge"' in page
    form = {"csrf": form_key(page), "comment": " seen <on> site ", "next": "/alarms?shown=all"}
    answer = visitor.post(f"/alarms/{alarm}/acknowledge", data=form)
    assert answer.url.path == "/alarms"
    told = re.search(r'<p id="told"[^>]*>([^<]*)</p>', answer.text)
    assert told[1] == "The alarm is acknowledged."
    assert "hidden" not in told[0]
    # It is told once.
    assert "The alarm is acknowledged." not in visitor.get("/alarms?shown=all").text
    kept = row(place, ALARM, alarm)
    assert (kept.acknowledged_by, kept.acknowledged_s) == ("operator", town.NOW)
    assert kept.comment == "seen <on> site"
    line = audited(place, "acknowledge_alarm")
    assert (line.principal, line.outcome, line.at_s) == ("operator", "done", town.NOW)
    shown = section(answer.text, "alarms")
    assert re.search(r"operator, 10 Mar, 08:25|operator, 08:25", plain(shown))
    assert "seen &lt;on&gt; site" in shown
    assert f"/alarms/{alarm}/" not in section(visitor.get("/alarms").text, "alarms")
    # On the page of its meter it stays, with who has seen it.
    assert "seen &lt;on&gt; site" in section(
        visitor.get(f"/meters/{town.METERS[20]}").text, "alarms"
    )


def test_scripts_are_told_in_words(enter, alarm):
    visitor = enter("operator")
    form = {"csrf": form_key(visitor.get("/alarms").text)}
    headers = {"X-Parts": "none", "Accept-Language": "de"}
    answer = visitor.post(f"/alarms/{alarm}/acknowledge", data=form, headers=headers)
    assert (answer.status_code, answer.text) == (200, "Der Alarm ist bestätigt.")
    assert "ferraris_told" not in answer.headers.get("set-cookie", "")


def as_pem(octets):
    text = base64.encodebytes(octets).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


def test_a_stranger_is_admitted_with_its_suite_and_certificates(place, enter):
    fleet = Fleet(template("residential", suite=1), 1, seed=9)
    title = fleet.system_title(0).hex()
    times = {"first_s": town.NOW, "last_s": town.NOW, "times": 1}
    number = put(
        place, STRANGER, identity=title, peer="", reason="certificate", message="", **times
    )
    visitor = enter("administrator")
    page = visitor.get(f"/strangers/{number}").text
    assert "certificate does not hold" in page
    signing, agreement = (
        fleet.certificate(0, each).der for each in (Usage.SIGNING, Usage.KEY_AGREEMENT)
    )
    form = {
        "csrf": form_key(page),
        "external_id": "SIGNS",
        "contact": "calls in",
        "suite": "1",
        "authentication": "ecdsa",
        "ciphering": "one-pass",
        "signing_certificate": as_pem(signing),
        "agreement_certificate": agreement.hex(" "),
    }
    assert all(f'name="{each}"' in page for each in form)
    path = f"/strangers/{number}/admit"
    for odd in (
        {"suite": "one"},
        {"authentication": "handshake"},
        {"ciphering": "rot13"},
        {"signing_certificate": "!"},
        {"first_authentication": "password"},
        {},  # no root is trusted yet
    ):
        assert visitor.post(path, data=form | odd).status_code == 400
    assert row(place, STRANGER, number).decision == ""
    place.keys.put_certificate(fleet.authority.root, trusted=True)
    assert "The stranger is admitted" in visitor.post(path, data=form).text
    with place.engine.reading() as connection:
        meter = connection.execute(select(METER).where(METER.c.external_id == "SIGNS")).one()
    assert (meter.suite, meter.authentication, meter.ciphering) == (1, "ecdsa", "one-pass")
    assert place.keys.certificate(fleet.system_title(0), Usage.SIGNING).der == signing
    assert place.keys.certificate(fleet.system_title(0), Usage.KEY_AGREEMENT).der == agreement
    assert json.loads(audited(place, "admit_stranger").detail)["certificates"] == 2


@both
def test_a_stranger_is_admitted_and_registered(place, enter, stranger):
    visitor = enter("administrator")
    title = row(place, STRANGER, stranger).identity
    assert f'href="/strangers/{stranger}"' in visitor.get("/strangers").text
    page = visitor.get(f"/strangers/{stranger}").text
    assert f'value="{title}"' in page  # no letters in it to guess a name of
    assert 'value="tcp://10.20.0.8:4059"' in page
    form = {"csrf": form_key(page), "external_id": "NEW1", "contact": "calls in", "client": "1",
            "server": "1", "zone": "Europe/Berlin", "address": ""}  # fmt: skip
    answer = visitor.post(f"/strangers/{stranger}/admit", data=form)
    assert answer.url.path == "/strangers"
    assert "The stranger is admitted" in answer.text
    assert title not in answer.text
    assert row(place, STRANGER, stranger).decision == "admitted"
    with place.engine.reading() as connection:
        meter = connection.execute(select(METER).where(METER.c.external_id == "NEW1")).one()
        step = connection.execute(
            select(REGISTRATION.c.step).where(REGISTRATION.c.meter == meter.id)
        ).scalar_one()
    assert (meter.system_title.hex(), meter.contact, meter.zone) == (
        title,
        "calls in",
        "Europe/Berlin",
    )
    assert step == "asked for"
    line = audited(place, "admit_stranger")
    assert (line.principal, line.outcome) == ("administrator", "done")
    assert json.loads(line.detail) == {"identity": title, "keys": 0, "meter": "NEW1"}
    assert visitor.get(f"/strangers/{stranger}").status_code == 404


def test_keys_of_a_stranger_go_into_the_key_store_and_nowhere_else(place, enter, stranger, caplog):
    visitor = enter("administrator")
    form = {
        "csrf": form_key(visitor.get("/strangers").text),
        "external_id": "NEW2",
        "contact": "called",
        "encryption_key": SECRET,
        "authentication_key": SECRET[::-1],
    }
    wrong = visitor.post(
        f"/strangers/{stranger}/admit", data={**form, "encryption_key": SECRET + "ff"}
    )
    assert wrong.status_code == 400
    assert SECRET not in wrong.text + caplog.text
    answer = visitor.post(f"/strangers/{stranger}/admit", data=form)
    assert "The stranger is admitted" in answer.text
    with place.engine.reading() as connection:
        told = str(connection.execute(select(AUDIT)).all())
    assert SECRET not in told + answer.text + caplog.text
    kept = {each.kind: place.keys.get(*each).hex() for each in place.keys.entries()}
    assert kept == {"encryption_key": SECRET, "authentication_key": SECRET[::-1]}
    # The page of the meter tells that they are there.
    registration = section(visitor.get("/meters/NEW2").text, "registration")
    assert "Encryption In use" in plain(registration)
    assert "Master Not there" in plain(registration)
    assert SECRET not in registration


def test_a_stranger_is_refused(place, enter, stranger):
    visitor = enter("administrator")
    form = {"csrf": form_key(visitor.get(f"/strangers/{stranger}").text)}
    answer = visitor.post(f"/strangers/{stranger}/refuse", data=form)
    assert "The stranger is refused." in answer.text
    assert row(place, STRANGER, stranger).decision == "refused"
    assert audited(place, "refuse_stranger").principal == "administrator"


def test_a_meter_that_waits_for_somebody_is_tried_at_once(place, enter):
    visitor = enter("operator")
    name = town.METERS[2]
    now = section(visitor.get(f"/meters/{name}").text, "now")
    assert "Waits for somebody" in plain(now)
    assert "Correct the inventory" in plain(now)
    answer = visitor.post(f"/meters/{name}/release", data={"csrf": form_key(now)})
    assert "The meter is tried again at once." in answer.text
    with place.engine.reading() as connection:
        assert not connection.execute(select(CONTACT).where(CONTACT.c.meter == 3)).all()
    assert audited(place, "release_meter").subject == name


def test_a_command_that_is_not_begun_is_cancelled(place, enter):
    visitor = enter("operator")
    key = form_key(visitor.get("/").text)
    visitor.post(f"/meters/{town.METERS[40]}/read", data={"csrf": key})
    now = section(visitor.get(f"/meters/{town.METERS[40]}").text, "now")
    [number] = re.findall(r'action="/commands/(\d+)/cancel"', now)
    going = f"/meters/{town.METERS[40]}"
    answer = visitor.post(f"/commands/{number}/cancel", data={"csrf": key, "next": going})
    assert answer.url.path == going
    assert "Cancelled" in section(answer.text, "now")
    assert row(place, COMMAND, int(number)).state == "cancelled"
    late = visitor.post(f"/commands/{number}/cancel", data={"csrf": key})
    assert late.status_code == 409


PATHS = (
    "/alarms/{alarm}/acknowledge",
    "/strangers/{stranger}/admit",
    "/strangers/{stranger}/refuse",
    f"/meters/{town.SHOWN}/read",
    f"/meters/{town.SHOWN}/release",
)


@pytest.mark.parametrize("path", PATHS)
def test_who_lacks_the_right_does_nothing(place, enter, alarm, stranger, path):
    address = path.format(alarm=alarm, stranger=stranger)
    visitor = enter("viewer")
    pages = [visitor.get(each).text for each in ("/alarms", f"/strangers/{stranger}")]
    assert not any(re.search('action="/(alarms|strangers)/', each) for each in pages)
    form = {"csrf": form_key(pages[0]), "external_id": "X", "contact": "called"}
    answer = visitor.post(address, data=form)
    assert answer.status_code == 403
    assert "You may not do this" in answer.text
    neighbour = enter("administrator", tenant=2, name="neighbour 2")
    form["csrf"] = form_key(neighbour.get("/").text)
    assert neighbour.post(address, data=form).status_code == 404
    neighbour.cookies.clear()
    assert neighbour.post(address, data=form).status_code == 403
    assert row(place, ALARM, alarm).acknowledged_s is None
    assert row(place, STRANGER, stranger).decision == ""


@pytest.mark.parametrize("path", PATHS)
def test_forms_made_elsewhere_do_nothing(place, enter, alarm, stranger, path):
    address = path.format(alarm=alarm, stranger=stranger)
    visitor = enter("administrator")
    key = form_key(visitor.get("/").text)
    for data, headers in (
        ({}, {}),
        ({"csrf": "0" * len(key)}, {}),
        ({"csrf": key}, {"Origin": "https://evil.example"}),
        ({"csrf": key}, {"Sec-Fetch-Site": "cross-site"}),
    ):
        answer = visitor.post(address, data=data, headers=headers)
        assert answer.status_code == 403
        assert "This form does not hold any more" in answer.text
    assert visitor.get(address).status_code in (404, 405)
    assert row(place, ALARM, alarm).acknowledged_s is None
    assert row(place, STRANGER, stranger).decision == ""


def test_a_form_sends_nobody_away(enter, alarm):
    visitor = enter("operator")
    form = {"csrf": form_key(visitor.get("/alarms").text), "next": "//evil.example/"}
    answer = visitor.post(f"/alarms/{alarm}/acknowledge", data=form, follow_redirects=False)
    assert answer.headers["location"] == "/"


def test_a_word_in_the_cookie_that_is_no_message_is_shown_as_nothing(enter):
    visitor = enter("viewer")
    visitor.cookies.set("ferraris_told", "You have won")
    assert "You have won" not in visitor.get("/").text
