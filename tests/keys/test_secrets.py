"""How secrets enter."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferraris.core.errors import UsageError
from ferraris.keys import MemoryKeys, secret

HEX = "00112233445566778899AABBCCDDEEFF"


def test_plain_hex_works_and_warns() -> None:
    warnings: list[str] = []
    assert secret(HEX, warn=warnings.append) == bytes.fromhex(HEX)
    assert secret(" 00:11:22 ") == b"\x00\x11\x22"
    assert len(warnings) == 1
    assert HEX not in warnings[0]
    assert secret("12345678", form="text", warn=warnings.append) == b"12345678"


def test_files_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "key"
    place.write_text(HEX + "\n")
    warnings: list[str] = []
    assert secret(f"@{place}", warn=warnings.append) == bytes.fromhex(HEX)
    place.write_bytes(b"p\xe4ss \r\n")
    assert secret(f"@{place}", form="text") == b"p\xe4ss "
    monkeypatch.setenv("METER_KEY", HEX)
    assert secret("env:METER_KEY", warn=warnings.append) == bytes.fromhex(HEX)
    assert warnings == []


def test_the_store() -> None:
    keys = MemoryKeys()
    keys.put("m1", "encryption_key", b"e" * 16)
    keys.put("m1", "password", b"p")
    assert secret("store:m1", store=keys) == b"e" * 16
    assert secret("store:m1", store=keys, kind="password") == b"p"
    assert secret("store:m1/password", store=keys) == b"p"


@pytest.mark.parametrize(
    "text", ["", "xyz-secret", "@/absent/file", "@/", "env:NO_SUCH_NAME_HERE", "store:m1"]
)
def test_what_cannot_be_used(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        secret(text)
    assert "xyz" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_and_endless_files(tmp_path: Path) -> None:
    place = tmp_path / "key"
    place.write_bytes(b"")
    for form in ("hex", "text"):
        with pytest.raises(UsageError, match="empty"):
            secret(f"@{place}", form=form)  # type: ignore[arg-type]  # from a list
    place.write_bytes(b"00" * 9999)
    with pytest.raises(UsageError, match="long"):
        secret(f"@{place}")
    with pytest.raises(UsageError):
        secret("store:m1/password", store=MemoryKeys())
