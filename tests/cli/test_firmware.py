"""Images made and brought into simulated meters, on the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ferraris.crypto.curves import Curve, PrivateKey
from ferraris.meter import image

MAIN = [sys.executable, "-c", "from ferraris.cli.main import main; main()", "meter", "run"]


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two meters in a process of their own."""
    file = tmp_path_factory.mktemp("meters") / "keys.jsonl"
    command = [*MAIN, "residential", "--count", "2", "--listen", "tcp://127.0.0.1:0"]
    command += ["--keys-out", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("2 x residential at tcp://127.0.0.1:")
        yield file
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def at(keys_file: Path, index: int) -> tuple[str, ...]:
    line = json.loads(keys_file.read_text().splitlines()[index])
    return (line["url"], "--server", str(line["server"]), "--keys", str(keys_file))


def test_an_image_is_made_and_verified(ferraris: Any, keys_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "frr-2.bin"
    ran = ferraris("meter", "image", "residential", "FRR-R2.0", str(file), "--size", "3000")
    assert ran.code == 0
    assert "for residential, version FRR-R2.0" in ran.out
    octets = file.read_bytes()
    image.check(image.unpack(octets), "residential")
    url, *where = at(keys_file, 0)
    ran = ferraris("firmware", url, str(file), *where, "--no-activation", "--window", "3", "--json")
    assert ran.code == 0, ran.err
    told = ran.json
    assert (told["outcome"], told["status"]) == ("done", "verification-successful")
    assert told["sent"] == told["blocks"] == -(-len(octets) // 512)
    assert told["image"]["identification"] == "frr-2"
    assert told["activation"] is None
    moment = "2031-03-01T03:00+01:00"
    ran = ferraris("firmware", url, str(file), *where, "--resume", "--activate-at", moment)
    assert ran.code == 0
    assert "0 of 7 blocks sent" in ran.out
    assert f"to be activated at {moment}" in ran.out
    listed = ferraris("browse", url, *where, "--values", "--json").json["objects"]
    (schedule,) = (each for each in listed if each["obis"] == "0-0:15.0.2*255")
    assert '["03000000", "07ef030106"]' in json.dumps(schedule)


def test_an_image_of_another_maker_is_not_right(
    ferraris: Any, keys_file: Path, tmp_path: Path
) -> None:
    key = PrivateKey.generate(Curve.P256, lambda octets: b"\x31" * octets)
    (tmp_path / "maker.key").write_text(key.to_der().hex())
    file = tmp_path / "foreign.bin"
    made = ("meter", "image", "residential", "FRR-R9.0", str(file), "--size", "100")
    assert ferraris(*made, "--key", f"@{tmp_path / 'maker.key'}").code == 0
    url, *where = at(keys_file, 1)
    ran = ferraris("firmware", url, str(file), *where)
    assert ran.code == 1
    assert "failed: the meter says that the image is not right" in ran.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("/no/such/image",), "/no/such/image: No such file"),
        (("{image}", "--activate-at", "soon"), "'soon' is no time"),
        (("{image}", "--activate-at", "now", "--no-activation"), "do not go together"),
        (("{image}", "--window", "0"), "at least one block"),
    ],
)
def test_what_cannot_be(
    ferraris: Any, keys_file: Path, tmp_path: Path, more: tuple[str, ...], words: str
) -> None:
    file = tmp_path / "image.bin"
    file.write_bytes(b"octets")
    url, *where = at(keys_file, 0)
    given = [each.replace("{image}", str(file)) for each in more]
    ran = ferraris("firmware", url, *given, *where)
    assert ran.code == 2
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1


def test_images_for_nobody_and_of_no_size(ferraris: Any, tmp_path: Path) -> None:
    file = str(tmp_path / "image.bin")
    assert ferraris("meter", "image", "sausage", "1", file).code == 2
    assert ferraris("meter", "image", "residential", "1", file, "--size", "0").code == 2
    assert ferraris("meter", "image", "residential", "1", str(tmp_path)).code == 2
    assert ferraris("meter", "image", "residential", "é", file).code == 2
