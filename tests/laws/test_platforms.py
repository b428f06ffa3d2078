"""Names that only some systems have are used with a guard: the library runs on all of them.

A guard is an enclosing `try` or `suppress` of what their absence raises, or an enclosing `if` or
function that looks at `sys.platform`, `os.name` or `hasattr`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

FILES = sorted((Path(__file__).resolve().parents[2] / "src/ferraris").rglob("*.py"))
MODULES = {
    *("fcntl", "grp", "msvcrt", "pty", "pwd", "resource", "syslog", "termios", "tty", "uvloop"),
    *("winreg",),
}
NAMES = re.compile(
    r"socket\.(SO_REUSEPORT|SO_RXQ_OVFL|SO_MEMINFO|SO_BINDTODEVICE|AF_UNIX|AF_PACKET|IP_PKTINFO"
    r"|TCP_QUICKACK|TCP_USER_TIMEOUT|MSG_DONTWAIT|MSG_NOSIGNAL|SCM_\w+)"
    r"|os\.(sched_\w+|fork\w*|get[e]?[ug]id|mkfifo|openpty|chown|fchmod|fchown|statvfs|uname|wait\w*)"
    r"|signal\.(SIG(?!INT$|TERM$|ABRT$)[A-Z]\w+|alarm|setitimer|pause)"
    r"|\w+\.(add_signal_handler|remove_signal_handler|add_reader|add_writer)"
)
ABSENCE = {"ImportError", "ModuleNotFoundError", "AttributeError", "NotImplementedError"}
LOOKS = re.compile(r"sys\.platform|os\.name|hasattr\(")


def unguarded(source: str) -> list[str]:
    """Every use of such a name without a guard, with its line."""
    return [f"line {line}: {name}" for line, name in _walk(ast.parse(source), guarded=False)]


def _walk(node: ast.AST, *, guarded: bool) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Try):
        caught = {
            each.id
            for handler in node.handlers
            if handler.type is not None
            for each in ast.walk(handler.type)
            if isinstance(each, ast.Name)
        }
        for part in node.body:
            yield from _walk(part, guarded=guarded or bool(caught & ABSENCE))
        for part in [*node.handlers, *node.orelse, *node.finalbody]:
            yield from _walk(part, guarded=guarded)
        return
    if isinstance(node, ast.With):
        entered = " ".join(ast.unparse(item) for item in node.items)
        guarded = guarded or ("suppress(" in entered and any(e in entered for e in ABSENCE))
    if isinstance(node, (ast.If, ast.IfExp, ast.FunctionDef, ast.AsyncFunctionDef)):
        looked = node.test if isinstance(node, (ast.If, ast.IfExp)) else node
        guarded = guarded or bool(LOOKS.search(ast.unparse(looked)))
    if not guarded:
        yield from _named(node)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, guarded=guarded)


def _named(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import):
        names = [alias.name.partition(".")[0] for alias in node.names]
        yield from ((node.lineno, name) for name in names if name in MODULES)
    elif isinstance(node, ast.ImportFrom) and node.module:
        if node.module.partition(".")[0] in MODULES:
            yield node.lineno, node.module
    elif isinstance(node, ast.Attribute):
        name = ast.unparse(node).rpartition("(")[2]
        if NAMES.fullmatch(".".join(name.split(".")[-2:])):
            yield node.lineno, name


def test_names_of_one_system_are_guarded(root: Path) -> None:
    found = {
        str(file.relative_to(root)): uses
        for file in FILES
        if (uses := unguarded(file.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_the_law_sees_what_it_should() -> None:
    assert unguarded("import fcntl") == ["line 1: fcntl"]
    assert unguarded("from uvloop import run") == ["line 1: uvloop"]
    assert unguarded("s.setsockopt(a, socket.SO_REUSEPORT, 1)") == ["line 1: socket.SO_REUSEPORT"]
    assert unguarded("n = os.sched_getaffinity(0)") == ["line 1: os.sched_getaffinity"]
    assert unguarded("signal.signal(signal.SIGHUP, f)") == ["line 1: signal.SIGHUP"]
    assert unguarded("self._loop.add_reader(s, f)") == ["line 1: self._loop.add_reader"]
    assert unguarded("signal.signal(signal.SIGTERM, f)") == []
    assert unguarded("try:\n import uvloop\nexcept ImportError:\n uvloop = None") == []
    assert unguarded("try:\n f()\nexcept ImportError:\n import uvloop") == ["line 4: uvloop"]
    assert unguarded("with suppress(ImportError):\n import uvloop") == []
    assert unguarded("with open(f):\n import uvloop") == ["line 2: uvloop"]
    assert unguarded("if sys.platform == 'linux':\n x = socket.AF_UNIX") == []
    assert unguarded("def f():\n if not hasattr(os, 'fork'): return\n os.fork()") == []
