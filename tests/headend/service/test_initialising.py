"""A head-end is made wholly or not at all, and its secrets are its own."""

from __future__ import annotations

import stat

import pytest

from ferraris.core.errors import UsageError
from ferraris.headend.configuration import load
from ferraris.headend.service.initialising import Wishes, initialise
from ferraris.keys import KeyStore


def nothing(configuration):
    pass


def test_a_new_folder_has_all_it_needs(tmp_path):
    furnished = []
    file = initialise(
        tmp_path / "night", Wishes(tenant='no"rth', zone="Europe/Vienna"), furnished.append
    )
    found = load(file)
    assert (found.tenant, found.zone) == ('no"rth', "Europe/Vienna")
    assert furnished[0].tenant == 'no"rth'
    passphrase = tmp_path / "night" / "passphrase"
    assert stat.S_IMODE(passphrase.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "night").stat().st_mode) == 0o700
    with KeyStore.open(found.place(found.keys.file), passphrase.read_text().strip()):
        pass
    assert passphrase.read_text().strip() not in file.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["night"]


def test_nothing_is_left_of_a_failure(tmp_path):
    def fail(configuration):
        raise UsageError("the database refuses the password")

    with pytest.raises(UsageError, match="refuses"):
        initialise(tmp_path / "night", Wishes(), fail)
    assert list(tmp_path.iterdir()) == []
    initialise(tmp_path / "night", Wishes(), nothing)


def test_what_a_killed_run_left_is_no_obstacle(tmp_path):
    (tmp_path / ".night.making").mkdir()
    (tmp_path / ".night.making" / "passphrase").write_text("old")
    initialise(tmp_path / "night", Wishes(), nothing)
    assert (tmp_path / "night" / "passphrase").read_text() != "old"


def test_a_folder_in_use_is_not_touched(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for place in (tmp_path, tmp_path / "mine"):
        with pytest.raises(UsageError, match="not empty"):
            initialise(place, Wishes(), nothing)
    assert (tmp_path / "mine").read_text() == "mine"
