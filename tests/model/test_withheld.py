"""Secrets: every attribute that sounds like one is withheld, or known to be none."""

from __future__ import annotations

from ferraris.data.obis import Obis
from ferraris.model import registry
from ferraris.model.withheld import is_secret

SOUNDS = ("password", "secret", "pin_code", "key", "login", "credential", "_authentication")
HARMLESS = {
    (72, "encryption_key_status"),
    (92, "adp_active_key_index"),
    (116, "key_revision_number"),
    (116, "key_type"),
    (116, "key_expiry_number"),
}
"""Numbers and states of keys, not the keys."""

ANY = bytes(Obis.of(0, 0, 1, 0, 0))


def test_attributes_that_sound_like_secrets_are_withheld() -> None:
    told = {
        (declared.class_id, attribute.name)
        for declared in registry.classes()
        for attribute in declared.attributes.values()
        if any(sound in attribute.name for sound in SOUNDS)
        and not is_secret(declared.class_id, ANY, attribute.index)
    }
    assert told == HARMLESS


def test_objects_that_hold_passwords_are_withheld_whatever_their_class_says() -> None:
    valve = Obis.parse("0-0:94.39.1*255")
    assert is_secret(1, valve, 2)
    assert not is_secret(1, valve, 1)
    assert not is_secret(1, Obis.parse("0-0:94.39.2*255"), 2)


def test_names_are_never_secrets() -> None:
    assert not any(is_secret(class_id, ANY, 1) for class_id in range(1, 200))
