"""YAML as a document with lines; the one file that needs PyYAML."""

from __future__ import annotations

from pathlib import Path

from ferraris.core.errors import UsageError
from ferraris.meter.scenario.document import Node, Value

__all__ = ["parse", "read"]

_LARGEST_OCTETS = 1 << 20
_DEEPEST = 20
_BOOLEANS = {"true": True, "false": False}


def read(path: str) -> Node:
    """The document in a file; `UsageError` for one that cannot be read or is no YAML."""
    try:
        octets = Path(path).read_bytes()
        text = octets.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise UsageError(f"{path}: {reason}") from None
    if len(octets) > _LARGEST_OCTETS:
        raise UsageError(f"{path}: a document has at most {_LARGEST_OCTETS} octets")
    return parse(text, path)


def parse(text: str, file: str = "document") -> Node:
    """The same from text. Only mappings with names, lists and plain scalars; no references."""
    try:
        import yaml  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError(
            "documents are YAML, which needs PyYAML: pip install 'ferraris[scenario]'"
        ) from None
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise UsageError(f"{file}: references (*name) are not taken")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise UsageError(f"{file}:{line}: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{file}: {error}") from None
    if root is None:
        raise UsageError(f"{file}:1: the document is empty")
    return _node(root, file, 0)


def _node(node: object, file: str, depth: int) -> Node:
    import yaml  # noqa: PLC0415

    assert isinstance(node, yaml.Node)
    line = node.start_mark.line + 1
    if depth > _DEEPEST:
        raise UsageError(f"{file}:{line}: nested too deep")
    if isinstance(node, yaml.MappingNode):
        members: dict[str, Node] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UsageError(f"{file}:{line}: the names of a mapping are texts")
            if key.value in members:
                at = key.start_mark.line + 1
                raise UsageError(f"{file}:{at}: {key.value!r} is here twice")
            members[key.value] = _node(value, file, depth + 1)
        return Node(file, line, members)
    if isinstance(node, yaml.SequenceNode):
        return Node(file, line, [_node(each, file, depth + 1) for each in node.value])
    return Node(file, line, _scalar(node.tag, node.value))


def _scalar(tag: str, text: str) -> Value:
    kind = tag.rpartition(":")[2]
    if kind == "bool" and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if kind == "null":
        return None
    try:
        # 06:30 is a number to the base of 60 in old YAML; here it is a text.
        if kind == "int" and ":" not in text:
            return int(text.replace("_", ""), 0)
        if kind == "float" and ":" not in text:
            return float(text.replace("_", ""))
    except ValueError:
        return text
    return text
