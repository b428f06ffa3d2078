"""Lossless translation of APDUs to XML and JSON and back.

`to_tree` and `from_tree` go between octets and a neutral tree, `write_xml`, `read_xml`,
`write_json` and `read_json` between the tree and documents. What was written is read back to the
same octets.
"""

from __future__ import annotations

from ferraris.messaging.dlms.translation.apdus import data_to_tree, from_tree, to_tree
from ferraris.messaging.dlms.translation.json_document import read_json, shape, write_json
from ferraris.messaging.dlms.translation.node import Node
from ferraris.messaging.dlms.translation.way import Opened, Opens, Seals
from ferraris.messaging.dlms.translation.xml_document import read_xml, write_xml

__all__ = [
    "Node",
    "Opened",
    "Opens",
    "Seals",
    "data_to_tree",
    "from_tree",
    "read_json",
    "read_xml",
    "shape",
    "to_tree",
    "write_json",
    "write_xml",
]
