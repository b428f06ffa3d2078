"""Files that are whole or not there: written beside their place, flushed, then given their name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ferraris.core.errors import UsageError

__all__ = ["clear_parts", "whole_file"]

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
