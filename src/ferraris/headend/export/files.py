"""Files that are whole or not there: written beside their place, flushed, then given their name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ferraris.core.errors import UsageError

__all__ = ["ABOUT", "claim_folder", "clear_parts", "whole_file"]

ABOUT = "_export.json"
_PART = ".part"


@contextmanager
def whole_file(place: Path) -> Iterator[IO[bytes]]:
    """A file to write; it takes its place, and that of an older one, when the block is left.

    After an exception, or when the process is killed, the place is as it was; what was written so
    far ends in `.part` and is no export. Raises `UsageError` when it cannot be written.
    """
    part = place.with_name(f"{place.name}.{os.getpid()}{_PART}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
        _flush(place.parent)
    except OSError as error:
        _forget(part)
        raise UsageError(f"{place}: {error.strerror or error}", where="export") from error
    except BaseException:
        _forget(part)
        raise


def claim_folder(folder: Path, about: str) -> None:
    """Make a folder that of one export; what killed ones left there is removed.

    `about` says what is exported: `UsageError` when the folder holds something else, or files of
    anybody else.
    """
    wanted = {"about": about}
    place = folder / ABOUT
    if place.exists():
        try:
            known = json.loads(place.read_text())
        except (OSError, ValueError):
            known = None
        if known != wanted:
            raise UsageError(
                f"{folder} holds another export: choose another folder", where="export"
            )
    elif folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no export", where="export")
    else:
        with whole_file(place) as file:
            file.write(json.dumps(wanted).encode())
    clear_parts(folder)


def clear_parts(folder: Path) -> None:
    """Remove what killed exports left below a folder; files of processes that live stay."""
    for part in folder.rglob(f"*{_PART}"):
        owner = part.name.removesuffix(_PART).rpartition(".")[2]
        if owner.isdigit() and not _lives(int(owner)):
            part.unlink(missing_ok=True)


def _forget(part: Path) -> None:
    with suppress(OSError):
        part.unlink()


def _flush(folder: Path) -> None:
    """The new name is on the disk, too."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
