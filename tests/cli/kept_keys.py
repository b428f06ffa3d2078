"""A key store for commands under test."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def kept_keys(ferraris: Any, folder: Path, monkeypatch: Any, entry: dict[str, str]) -> None:
    """A key store of the environment that holds one meter's keys."""
    (folder / "phrase").write_text("correct horse")
    options = ["--store", f"{folder}/keys.db", "--passphrase", f"@{folder}/phrase"]
    assert ferraris("keys", *options, "init").code == 0
    for kind in ("encryption_key", "authentication_key"):
        (folder / kind).write_text(entry[kind])
        ran = ferraris("keys", *options, "add", "meter", kind, f"@{folder}/{kind}")
        assert ran.code == 0, ran.err
    monkeypatch.setenv("FERRARIS_KEYS", f"{folder}/keys.db")
    monkeypatch.setenv("FERRARIS_PASSPHRASE", f"@{folder}/phrase")
