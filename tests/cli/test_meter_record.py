"""`ferraris meter record`: what it prints is a template without secrets."""

from __future__ import annotations

import tomllib


def test_a_meter_is_written_down(ferraris):
    ran = ferraris("meter", "record", "sim://residential")
    assert ran.code == 0
    recorded = tomllib.loads(ran.out)
    assert (recorded["template"], recorded["client"]) == (1, 1)
    management = [each for each in recorded["associations"] if each["client"] == 1]
    assert {each["object"] for each in management} == {"0-0:40.0.0*255", "0-0:40.0.3*255"}
    assert all(each["ciphered"] for each in management)
    (energy,) = [each for each in recorded["objects"] if each["obis"] == "1-0:1.8.0*255"]
    assert energy["types"] == {"2": "double-long-unsigned", "3": "structure {integer, enum}"}
    assert set(energy["values"]) == {"3"}  # without --values units alone


def test_values_are_written_when_they_are_wanted(ferraris):
    ran = ferraris("meter", "record", "sim://residential", "--values")
    (number,) = [
        each for each in tomllib.loads(ran.out)["objects"] if each["obis"] == "0-0:96.1.0*255"
    ]
    assert bytes.fromhex(number["values"]["2"])[2:].isdigit()


def test_the_public_client_records_what_it_sees(ferraris):
    ran = ferraris("meter", "record", "sim://residential", "--client", "16")
    assert ran.code == 0
    assert "1-0:1.8.0*255" not in ran.out
    assert "0-0:42.0.0*255" in ran.out


def test_a_meter_that_is_not_there(ferraris):
    ran = ferraris("meter", "record", "sim://palace")
    assert ran.code == 2
    assert "no template 'palace'" in ran.err
