"""The file of a backup: the rows of all tables in one compressed archive, for either back end.

A ZIP file with a member `rows/TABLE` for each table and, last, `manifest.json`: a file that was cut
has none. Rows lie in frames, a length of four octets and a MessagePack list of lists; the manifest
has the columns, the number of rows and the SHA-256 of each member.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

import msgspec

from ferraris.headend.store.records import StoreError

__all__ = [
    "FORMAT",
    "VERSION",
    "Manifest",
    "TableEntry",
    "opened",
    "read_manifest",
    "read_rows",
    "write_manifest",
    "write_rows",
]

FORMAT: Final = "ferraris store backup"
VERSION: Final = 1
_MANIFEST: Final = "manifest.json"
_LONGEST: Final = 256 << 20
_FRAME_ROWS: Final = 500
_DAMAGED: Final = "the backup is damaged or was cut short"
_FAULTS: Final = (
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    UnicodeError,
    ValueError,
    msgspec.DecodeError,
    zipfile.BadZipFile,
    zlib.error,
)


class TableEntry(msgspec.Struct, frozen=True):
    """One table: `newest` is the highest number that was ever given in it, 0 for none."""

    name: str
    columns: list[str]
    rows: int
    sha256: str
    newest: int = 0


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds, and of which revision of the schema it is."""

    format: str
    version: int
    revision: str
    made_s: float
    tables: list[TableEntry]


@dataclass(slots=True)
class _Counted:
    """A member that is being written or read, and its hash so far."""

    member: IO[bytes]
    hash: Any

    def write(self, octets: bytes) -> None:
        self.member.write(octets)
        self.hash.update(octets)

    def read(self, count: int) -> bytes:
        octets = self.member.read(count)
        if len(octets) != count:
            raise EOFError
        self.hash.update(octets)
        return octets


def opened(file: IO[bytes], mode: Any) -> zipfile.ZipFile:
    """The archive in an open file; raises `StoreError` for a file that is none."""
    try:
        return zipfile.ZipFile(file, mode, zipfile.ZIP_DEFLATED, compresslevel=1)
    except _FAULTS as error:
        raise StoreError(f"no backup, or it was cut short: {error}", where="backup") from error


def write_rows(
    archive: zipfile.ZipFile, name: str, rows: Iterable[Sequence[Any]]
) -> tuple[int, str]:
    """Write a table's member; returns the number of rows and the hash."""
    encode = msgspec.msgpack.Encoder().encode
    count, frame = 0, []
    with archive.open(f"rows/{name}", "w", force_zip64=True) as member:
        counted = _Counted(member, hashlib.sha256())
        for row in rows:
            frame.append(tuple(row))
            if len(frame) == _FRAME_ROWS:
                _write_frame(counted, encode(frame))
                count, frame = count + len(frame), []
        if frame:
            _write_frame(counted, encode(frame))
        return count + len(frame), counted.hash.hexdigest()


def write_manifest(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """Write the manifest, which ends a backup."""
    archive.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def read_manifest(archive: zipfile.ZipFile) -> Manifest:
    """The manifest; raises `StoreError` for a damaged one or one of another format."""
    try:
        manifest = msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
    except _FAULTS as error:
        raise StoreError(_DAMAGED, where="backup") from error
    if (manifest.format, manifest.version) != (FORMAT, VERSION):
        raise StoreError(
            f"a backup of format {manifest.format} {manifest.version}, this program reads "
            f"{FORMAT} {VERSION}",
            where="backup",
        )
    return manifest


def read_rows(archive: zipfile.ZipFile, entry: TableEntry) -> Iterator[list[Any]]:
    """The rows of a table; raises `StoreError` at the end when they are not what was written."""
    decode = msgspec.msgpack.Decoder(list[list[Any]]).decode
    count, width = 0, len(entry.columns)
    try:
        with archive.open(f"rows/{entry.name}") as member:
            counted = _Counted(member, hashlib.sha256())
            while count < entry.rows:
                length = int.from_bytes(counted.read(4), "big")
                if length > _LONGEST:
                    raise ValueError(length)
                for row in decode(counted.read(length)):
                    if len(row) != width:
                        raise ValueError(len(row))
                    count += 1
                    yield row
            if member.read(1) or count != entry.rows or counted.hash.hexdigest() != entry.sha256:
                raise ValueError(entry.name)
    except _FAULTS as error:
        raise StoreError(f"{_DAMAGED} (table {entry.name})", where="backup") from error


def _write_frame(counted: _Counted, octets: bytes) -> None:
    counted.write(len(octets).to_bytes(4, "big"))
    counted.write(octets)
