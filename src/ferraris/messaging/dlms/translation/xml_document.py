"""The tree as XML and back, by the standard library's parser with everything risky refused.

No document type, no entities of its own, no processing instructions, no foreign namespaces, no
attributes; characters, elements and depth are bounded. Elements may stand in the schema's namespace
or in none.
"""

from __future__ import annotations

from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape

from ferraris.core.errors import UsageError
from ferraris.messaging.dlms.translation.names import NAMESPACE
from ferraris.messaging.dlms.translation.node import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_ELEMENTS,
    Node,
    attach,
)

__all__ = ["read_xml", "write_xml"]

_SEPARATOR = " "
_PIECE = 1 << 16


def write_xml(root: Node) -> str:
    """The document, indented by two spaces, with a line break at its end."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write(root, lines, "", f' xmlns="{NAMESPACE}"')
    return "\n".join(lines) + "\n"


def read_xml(document: bytes) -> Node:
    """The tree of a document in UTF-8; `UsageError` with its line for whatever else."""
    if len(document) > MAX_CHARACTERS:
        raise UsageError(f"more than {MAX_CHARACTERS >> 20} MiB of XML", where="xml")
    try:
        document.decode("utf-8")
    except UnicodeDecodeError as error:
        line = document.count(b"\n", 0, error.start) + 1
        raise UsageError("a document in UTF-8 expected", where=f"xml line {line}") from None
    return _Reader().read(document)


def _write(node: Node, lines: list[str], indent: str, attributes: str = "") -> None:
    note = f"  <!-- {node.note.replace('--', '- -')} -->" if node.note else ""
    if node.children:
        lines.append(f"{indent}<{node.name}{attributes}>{note}")
        for child in node.children:
            _write(child, lines, indent + "  ")
        lines.append(f"{indent}</{node.name}>")
        return
    text = _text(node)
    if text:
        lines.append(f"{indent}<{node.name}{attributes}>{text}</{node.name}>{note}")
    else:
        lines.append(f"{indent}<{node.name}{attributes}/>{note}")


def _text(node: Node) -> str:
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else escape(str(value))


class _Reader:
    """One parser and the elements that are open in it."""

    def __init__(self) -> None:
        parser = expat.ParserCreate("utf-8", _SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._no_document_type
        parser.EntityDeclHandler = self._no_document_type
        parser.ProcessingInstructionHandler = self._no_instruction
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser = parser
        self._open: list[Node] = []
        self._texts: list[list[str]] = []
        self._count = 0
        self._root: Node | None = None

    def read(self, document: bytes) -> Node:
        try:
            for start in range(0, len(document), _PIECE):
                self._parser.Parse(document[start : start + _PIECE], False)
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            what = expat.errors.messages.get(error.code, "not well-formed")
            raise UsageError(f"well-formed XML expected: {what}", where=self._here()) from None
        if self._root is None:
            self._refuse("an element expected")
        return self._root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(_SEPARATOR)
        if namespace not in ("", NAMESPACE):
            self._refuse(f"the namespace {NAMESPACE} expected, or none")
        if attributes:
            self._refuse("no attributes expected: what they could say stands in elements")
        self._count += 1
        if self._count > MAX_ELEMENTS:
            self._refuse(f"at most {MAX_ELEMENTS} elements expected")
        if len(self._open) >= MAX_DEPTH:
            self._refuse(f"at most {MAX_DEPTH} elements within one another expected")
        node = Node(local, line=self._parser.CurrentLineNumber)
        if self._open:
            attach(self._open[-1], node)
        else:
            self._root = node
        self._open.append(node)
        self._texts.append([])

    def _end(self, name: str) -> None:
        node, text = self._open.pop(), "".join(self._texts.pop())
        if node.children and text.strip():
            self._refuse(f"no text expected between the elements of {node.name[:60]}")
        if text and not node.children:
            node.value = text

    def _characters(self, text: str) -> None:
        self._texts[-1].append(text)

    def _no_document_type(self, *parts: object) -> None:
        self._refuse("no document type and no entities expected")

    def _no_instruction(self, *parts: object) -> None:
        self._refuse("no processing instruction expected")

    def _here(self) -> str:
        return f"xml line {self._parser.CurrentLineNumber}"

    def _refuse(self, expected: str) -> NoReturn:
        raise UsageError(expected, where=self._here())
