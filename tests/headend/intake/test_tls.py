"""Meters that push or call in through TLS: who is let in, who is not, new certificates."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import ssl

import pytest
from certificates import Authority
from doors import NOON, QUICK, Door, apdu, household, households, run, taking, until

from ferraris.core.errors import UsageError
from ferraris.headend.configuration import parse
from ferraris.line.url import Endpoint
from ferraris.meter.calling import call_in
from ferraris.meter.fleet import Fleet
from ferraris.meter.pushing import Pusher
from ferraris.meter.templates import template


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("theirs"), "stranger")


def shown(authority, name, ca=None):
    """The options of an end: what it shows, and what it trusts."""
    certificate, key = authority.issue(name)
    options = {"cert": str(certificate), "key": str(key)}
    return options if ca is None else options | {"ca": str(ca.file)}


@pytest.fixture
def ours(authority):
    """A listener that asks for a certificate of our authority."""
    return shown(authority, "head-end", authority)


def pushing(fleet, port, colony, options):
    endpoint = Endpoint("tls", "127.0.0.1", port, options)
    return Pusher(fleet, endpoint, every_s=None, utc=colony.clock)


async def fails(sending):
    """A push that does not arrive; the meter hears of it, or believes that it is gone."""
    with contextlib.suppress(Exception):
        await sending.push(0)
    sending.close()


def test_pushes_come_from_those_whom_the_authority_knows_and_nobody_else(
    colony, authority, stranger, ours
):
    fleet, _ = household(colony)
    good = shown(authority, "meter", authority)

    async def scenario():
        async with taking(colony.intake(Endpoint("tls", "127.0.0.1", 0, ours).url)) as intake:
            port = intake.ports[0]
            for options in (
                shown(stranger, "meter", authority),  # of another authority
                {"ca": str(authority.file)},  # shows nothing
                shown(authority, "meter", stranger),  # does not trust us
                shown(authority, "gone", authority) | expired(authority),
            ):
                await fails(pushing(fleet, port, colony, options))
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(apdu(fleet))  # TCP without TLS
            with contextlib.suppress(ConnectionError):
                await reader.read()  # to its end: we are cut off
            writer.close()
            assert (intake.counts.taken, intake.counts.turned_away) == (0, {})
            sending = pushing(fleet, port, colony, good)
            await sending.push(0)
            await until(lambda: intake.counts.stored == 1)
            sending.close()
            return intake.counts.taken

    assert run(scenario()) == 1


def expired(authority):
    certificate, key = authority.issue("expired", days=-1)
    return {"cert": str(certificate), "key": str(key)}


@pytest.mark.parametrize("scheme", ["tls", "tls+hdlc"])
def test_meters_call_in_through_tls_and_others_are_cut_off(
    colony, authority, stranger, ours, scheme
):
    fleet, (number,) = households(colony, state="active")
    impostor = Fleet(template("residential"), 1, seed=7)
    door = Door(colony, endpoint=Endpoint(scheme, "127.0.0.1", 0, ours))

    async def scenario():
        async with door.open() as intake:
            good, bad = (
                Endpoint(scheme, "127.0.0.1", intake.port, shown(each, "meter", authority))
                for each in (authority, stranger)
            )
            calling = [
                asyncio.create_task(call_in(each, there, patience=QUICK, utc=lambda: NOON))
                for each, there in ((impostor, bad), (fleet, good))
            ]
            await until(lambda: intake.counts.served >= 2)
            for task in calling:
                task.cancel()
            await asyncio.gather(*calling, return_exceptions=True)
            return intake.counts

    counts = run(scenario())
    assert counts.called >= 2
    assert counts.turned_away == 0
    assert door.read == {colony.meter(number).external_id: fleet[0].total(0, int(NOON))}


def replaced(files, authority, name):
    """Put new files in the place of those of a listener, as a renewal does."""
    for place, new in zip((files["cert"], files["key"]), authority.issue(name), strict=True):
        shutil.copy(new, f"{place}.new")
        os.replace(f"{place}.new", place)


async def serial_of(port, trusted):
    """The serial number of the certificate that a listener shows."""
    context = ssl.create_default_context(cafile=trusted.file)
    certificate, key = trusted.issue("looks")
    context.load_cert_chain(certificate, key)
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    found = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return found


def test_a_certificate_is_replaced_without_a_restart(colony, authority, stranger, tmp_path, caplog):
    fleet, _ = household(colony)
    files = {name: str(tmp_path / name) for name in ("cert", "key", "ca")}
    replaced(files, authority, "first")
    shutil.copy(authority.file, files["ca"])
    good = shown(authority, "meter", authority)

    async def scenario():
        async with taking(colony.intake(Endpoint("tls", "127.0.0.1", 0, files).url)) as intake:
            port = intake.ports[0]
            sending = pushing(fleet, port, colony, good)
            await sending.push(0)
            first = await serial_of(port, authority)
            replaced(files, authority, "second")
            second = await serial_of(port, authority)
            (tmp_path / "cert").write_text("half of a certificate")
            assert await serial_of(port, authority) == second
            replaced(files, stranger, "third")
            shutil.copy(stranger.file, files["ca"])
            await serial_of(port, stranger)
            await fails(pushing(fleet, port, colony, good))  # is nobody's any more
            await sending.push(0)  # what was open stays open
            await until(lambda: intake.counts.stored == 2)
            sending.close()
            return first, second, intake.counts.taken

    first, second, taken = run(scenario())
    assert first != second
    assert taken == 2
    assert [each.message for each in caplog.records if each.name == "ferraris.tls"] == [
        f"tls://127.0.0.1:0 keeps the certificate that it has: cert or key={files['cert']}: "
        "holds nothing in PEM form"
    ]


def test_the_configuration_finds_certificates_beside_itself(authority, tmp_path):
    for name, source in zip(("c.pem", "k.pem"), authority.issue("head-end"), strict=True):
        shutil.copy(source, tmp_path / name)
    given = parse("", folder=str(tmp_path))
    found = given.endpoint("tls://[::]:4060?cert=c.pem&key=k.pem")
    assert found.options == {"cert": f"{tmp_path}/c.pem", "key": f"{tmp_path}/k.pem"}
    with pytest.raises(UsageError, match="shows a certificate"):
        given.endpoint("tls://[::]:4060")
    with pytest.raises(UsageError, match=r"ca=.*No such file"):
        given.endpoint("tls://[::]:4060?cert=c.pem&key=k.pem&ca=none.pem")
