"""What runs on a microcontroller keeps to the Python that MicroPython has too.

Tried on CPython 3.11 and on the MicroPython 1.29 unix build; docs/hardware.md tells why.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PORTABLE = ("circulation/wire", "circulation/sync", "firmware/gate", "hardware/chips")
SHELL = "firmware/mcu"  # runs on both too, around a board's own modules
BARE_INIT = (*PORTABLE, SHELL, "circulation", "firmware")

# What MicroPython brings, and what we may lean on there.
PRESENT_MODULES = frozenset("binascii collections hashlib json math struct sys".split())
SHELL_MODULES = PRESENT_MODULES | frozenset(
    "array errno gc io machine network os select socket ssl time vfs".split()
)
ABSENT_METHODS = frozenset(
    "removeprefix removesuffix zfill casefold title swapcase expandtabs maketrans translate"
    " isidentifier isprintable isdecimal isnumeric rjust ljust format_map bit_count"
    " _replace _asdict hexdigest".split()
)
ABSENT_KEYWORDS = {
    "zip": {"strict"},
    "dumps": {"sort_keys", "default", "indent", "cls", "ensure_ascii"},
    "loads": {"parse_float", "parse_int", "parse_constant", "object_pairs_hook", "object_hook"},
}


def _imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, str(node.module)


def _for_the_type_checker_only(tree):
    """Yield the lines under ``if TYPE_CHECKING:``, which never run."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            yield from range(node.body[0].lineno, node.body[-1].end_lineno + 1)


def _unpacks(display):
    """Whether a star stands in it that is neither an assignment's nor a call's."""
    loaded = isinstance(getattr(display, "ctx", ast.Load()), ast.Load)
    return loaded and any(isinstance(element, ast.Starred) for element in display.elts)


FORBIDDEN_SYNTAX = (  # node type, when, what is wrong with it on MicroPython
    (ast.Match, lambda _: True, "match is absent"),
    (ast.arguments, lambda node: node.posonlyargs, "positional-only arguments are absent"),
    (ast.Raise, lambda node: node.cause, "raise … from drops its cause"),
    (ast.ClassDef, lambda node: len(node.bases) > 1, "errors cannot have two bases"),
    (ast.ClassDef, lambda node: node.keywords, "class keywords are absent"),
    (ast.Constant, lambda node: isinstance(node.value, float), "floats differ; count in integers"),
    (ast.BinOp, lambda node: isinstance(node.op, ast.Div), "/ makes a float; use //"),
    (ast.AugAssign, lambda node: isinstance(node.op, ast.Div), "/ makes a float; use //"),
    (ast.TryStar, lambda _: True, "except* is absent"),
    (ast.List | ast.Tuple | ast.Set, _unpacks, "unpacking in a display"),
    (ast.Dict, lambda node: None in node.keys, "unpacking in a display"),
    (ast.AsyncFunctionDef, lambda _: True, "no I/O here, so nothing to await"),
)


def _forbidden_syntax(node):
    for kind, applies, problem in FORBIDDEN_SYNTAX:
        if isinstance(node, kind) and applies(node):
            return problem
    return None


def _forbidden_use(node):
    match node:
        case ast.Call(func=ast.Attribute(attr=name)) if name in ABSENT_METHODS:
            return f".{name} is absent"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), keywords=keywords):
            absent = ABSENT_KEYWORDS.get(name, set()) & {keyword.arg for keyword in keywords}
            return f"{name}({min(absent)}=) is absent" if absent else None
        case ast.FunctionDef(name="__new__"):
            return "__new__ of a namedtuple is not called there"
    return None


def violations(source, present=PRESENT_MODULES):
    """Return what this source uses and MicroPython has not, one line each."""
    tree = ast.parse(source)
    unseen, found = set(_for_the_type_checker_only(tree)), []
    for line, module in _imports(tree):
        top = module.split(".", maxsplit=1)[0]
        ours = top in ("circulation", "firmware", "hardware")
        if line not in unseen and not ours and top not in present:
            found.append(f"line {line}: module {module} is absent there")
    for node in ast.walk(tree):
        line = getattr(node, "lineno", None) or 0
        problem = _forbidden_syntax(node) or _forbidden_use(node)
        if problem and line not in unseen:
            found.append(f"line {line}: {problem}")
    return found


FILES = sorted(
    str(path.relative_to(ROOT))
    for top in (*PORTABLE, SHELL)
    for path in (ROOT / top).glob("**/*.py")
)


@pytest.mark.parametrize("path", FILES)
def test_shared_code_keeps_to_the_python_both_have(path):
    """A file that a microcontroller runs uses nothing that MicroPython lacks."""
    present = SHELL_MODULES if path.startswith(SHELL) else PRESENT_MODULES

    assert violations((ROOT / path).read_text(), present) == []


def test_what_decides_touches_no_board():
    """Only the shell may use a board's modules: what it carries in and out knows none of them."""
    assert violations("import machine") == ["line 1: module machine is absent there"]
    assert violations("import machine", SHELL_MODULES) == []


@pytest.mark.parametrize("folder", BARE_INIT)
def test_packages_on_the_way_to_shared_code_are_bare(folder):
    """Importing a shared module runs nothing else: each __init__ is a docstring alone."""
    body = ast.parse((ROOT / folder / "__init__.py").read_text()).body

    assert [type(node) for node in body] == [ast.Expr]


@pytest.mark.parametrize(
    "source",
    [
        "import enum",
        "from dataclasses import dataclass",
        "from __future__ import annotations",
        "match x:\n    case 1: pass",
        "def f(a, /): pass",
        "raise A from b",
        "class E(A, ValueError): pass",
        "wait_s = 0.5",
        "half = a / b",
        "json.dumps(x, sort_keys=True)",
        "zip(a, b, strict=True)",
        "'x'.removeprefix('y')",
        "point._replace(x=1)",
        "async def f(): pass",
        "all = (*some, 1)",
        "all = {**some}",
    ],
)
def test_what_micropython_lacks_is_found(source):
    """The test of the test: each forbidden thing is reported once."""
    assert len(violations(source)) == 1


def test_types_for_the_checker_may_come_from_anywhere():
    """Under TYPE_CHECKING nothing runs, so typing may be imported there."""
    source = "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from typing import Protocol\n"

    assert violations(source) == []
