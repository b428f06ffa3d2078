"""What is published: a pure wheel, and an sdist that makes the same one; both stand alone."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

REGISTER = "1-0:1.8.0*255"

pytestmark = [pytest.mark.services, pytest.mark.timeout(400)]


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command that knows nothing of the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def done(*command: str | Path, folder: Path) -> str:
    """What a command printed that must succeed."""
    ran = run(*command, folder=folder)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def environment(folder: Path) -> Path:
    """A new virtual environment without anything in it; its interpreter."""
    venv.create(folder, symlinks=sys.platform != "win32")
    place = "Scripts" if sys.platform == "win32" else "bin"
    return folder / place / "python"


def test_wheel_and_sdist_install_and_read_a_meter(root: Path, tmp_path: Path) -> None:
    builder, clean = environment(tmp_path / "builder"), environment(tmp_path / "clean")
    pip = (sys.executable, "-m", "pip", "--quiet", "--python")
    asked = run(*pip, builder, "install", "hatchling", folder=tmp_path)
    if asked.returncode:
        pytest.skip(f"no package index: {asked.stderr.strip()[-200:]}")

    out = tmp_path / "out"
    done(builder, "-m", "hatchling", "build", "-d", out, folder=root)
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    check_wheel(wheel)
    check_sdist(sdist)

    again = tmp_path / "again"
    build = ("wheel", "--no-deps", "--no-build-isolation", "-w", again, sdist)
    done(*pip, builder, *build, folder=tmp_path)
    (rebuilt,) = again.glob("*.whl")
    assert names(rebuilt) == names(wheel)

    done(*pip, clean, "install", rebuilt, folder=tmp_path)
    command = clean.with_name("ferraris")
    shown = done(command, "read", "sim://residential", REGISTER, folder=tmp_path)
    assert shown.startswith(REGISTER)
    assert shown.rstrip().endswith("Wh")
    where = done(clean, "-c", "import ferraris; print(ferraris.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path / "clean")


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def check_wheel(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    inside = names(wheel)
    assert "ferraris/py.typed" in inside
    assert any(name.startswith("ferraris/meter/templates/") for name in inside)
    (licence,) = [name for name in inside if name.endswith("/LICENSE")]
    rooms = {name.split("/")[0] for name in inside}
    assert rooms == {"ferraris", licence.split("/")[0]}
    assert not [name for name in inside if "test" in Path(name).parts[:-1]]
    with zipfile.ZipFile(wheel) as archive:
        about = Parser().parsestr(archive.read(licence.split("/")[0] + "/METADATA").decode("utf-8"))
        kind = archive.read(licence.split("/")[0] + "/WHEEL").decode("utf-8")
    assert "Root-Is-Purelib: true" in kind
    assert (about["Name"], about["License-Expression"]) == ("ferraris", "Apache-2.0")
    assert about["License-File"] == "LICENSE"
    assert about["Requires-Python"] == ">=3.11"


def check_sdist(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "src/ferraris/py.typed"} <= inside
    assert not [name for name in inside if name.startswith((".venv", ".git/", "docs/_build"))]
