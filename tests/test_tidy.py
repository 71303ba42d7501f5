"""Style is a test: sizes, names, leftovers, emptied tests and files nobody reaches."""

import ast
import re
from pathlib import Path

import pytest

from tests.project import ROOT, tracked_files

PROGRAMS = ("circulation", "firmware", "gateway", "hardware", "kiosk", "sim")

COLUMNS_MAX = 99
FILE_LINES_MAX, TEST_FILE_LINES_MAX = 450, 600
FUNCTION_LINES_MAX, NESTING_MAX, PARAMETERS_MAX = 50, 3, 6

# Shapes that others prescribe: umqtt's constructor, so that programs written for it run with ours.
PRESCRIBED = {"firmware/mcu/mqtt.py __init__: 8 parameters"}

# One word per idea, docs/glossary.md; these say nothing, or name another idea.
FORBIDDEN_NAMES = re.compile(
    r"(Manager|Helper|Helpers|Util|Utils|Info|Data)$|Reservation|User[A-Z]"
)
FORBIDDEN_FILES = re.compile(r"^(common|core|helpers?|info|managers?|misc|utils?)$")
# Where a package comes from, or where it lay when it was written, is each machine's own business.
FORBIDDEN_TEXT = re.compile(
    r"--(extra-)?index-url|--find-links|pypi\.org|pythonhosted\.org|/(work|root|home/\w+|opt)/"
)
MAY_NAME_A_MACHINE = re.compile(r"^(tests/test_tidy\.py|requirements/lock|deploy/.*)$")


FILES = tracked_files()
PYTHON = [name for name in FILES if name.endswith(".py")]
TESTS = [name for name in PYTHON if name.startswith("tests/")]
CODE = [name for name in PYTHON if name not in TESTS]
TEXT_SUFFIXES = "py md toml txt in html css js json svg csv conf service yml sh ini".split()
WRITTEN = [
    name
    for name in FILES
    if name.rpartition(".")[2] in TEXT_SUFFIXES
    or name in ("Makefile", ".ci/run", "requirements/lock")
]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def functions(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function):
    """Return the lines of a function without its docstring and decorators."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function) is not None
    docstring = first.end_lineno - first.lineno + 1 if has_docstring else 0
    return function.end_lineno - function.lineno + 1 - docstring


def nesting(node, depth=0):
    """Return how deep the statements in this node lie; elif and else add nothing."""
    blocks = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith
    deepest = depth
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        chained = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        enters = isinstance(child, blocks | ast.Try | ast.Match) and not chained
        deepest = max(deepest, nesting(child, depth + enters))
    return deepest


def parameters(function):
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def oversizes(source):
    """Return every function beyond a limit, one line each."""
    found = []
    for function in functions(source):
        measured = (
            ("lines", length(function), FUNCTION_LINES_MAX),
            ("levels of nesting", nesting(function), NESTING_MAX),
            ("parameters", parameters(function), PARAMETERS_MAX),
        )
        for what, count, limit in measured:
            if count > limit:
                where = f"line {function.lineno} {function.name}"
                found.append(f"{where}: {count} {what}, limit {limit}")
    return found


def is_prescribed(name, line):
    """Whether this oversize of a file is one that we did not choose."""
    return any(f"{name} {line.split(' ', 2)[2]}".startswith(known) for known in PRESCRIBED)


def test_functions_stay_small():
    """No function is longer, deeper or wider than the limits of CONTRIBUTING.md."""
    found = [
        f"{name} {line}"
        for name in CODE
        for line in oversizes(read(name))
        if not is_prescribed(name, line)
    ]

    assert found == []


def test_tests_stay_small():
    """The functions of tests keep to the same limits; their parameters are fixtures."""
    found = [f"{name} {line}" for name in TESTS for line in oversizes(read(name))]

    assert [line for line in found if "parameters" not in line] == []


def test_files_stay_small():
    """A file that grows past the limit has two subjects."""
    sizes = {name: read(name).count("\n") for name in PYTHON}
    limits = {name: TEST_FILE_LINES_MAX if name in TESTS else FILE_LINES_MAX for name in PYTHON}

    assert {name: size for name, size in sizes.items() if size > limits[name]} == {}


def test_lines_stay_short():
    """Two files fit side by side on a screen."""
    found = [
        f"{name}:{number}"
        for name in PYTHON
        for number, line in enumerate(read(name).splitlines(), 1)
        if len(line) > COLUMNS_MAX
    ]

    assert found == []


def test_nothing_is_left_over():
    """A TODO names an issue, and no marker of a merge stays behind."""
    markers = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b(?!.*#\d+)|^(?:<{7}|>{7}) ", re.MULTILINE)

    assert [n for n in WRITTEN if markers.search(read(n)) and n != "tests/test_tidy.py"] == []


def test_no_machine_is_named():
    """No file says where one machine keeps its packages or its work."""
    found = {name: FORBIDDEN_TEXT.findall(read(name)) for name in WRITTEN}

    assert [n for n, texts in found.items() if texts and not MAY_NAME_A_MACHINE.match(n)] == []


def test_names_say_something():
    """No class or module is a manager, a helper or a heap of utilities."""
    classes = [
        f"{name} {node.name}"
        for name in CODE
        for node in ast.walk(ast.parse(read(name)))
        if isinstance(node, ast.ClassDef) and FORBIDDEN_NAMES.search(node.name)
    ]

    assert classes == []
    assert [name for name in PYTHON if FORBIDDEN_FILES.match(Path(name).stem)] == []


def _tests_in(source):
    return [function for function in functions(source) if function.name.startswith("test_")]


def expects_something(function):
    """Whether this test can fail: it asserts, expects an error, or calls one that does."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if re.match(
                r"raises$|warns$|fail$|(_?(assert|check|expect|play|verify|wait_))", called
            ):
                return True
    return False


def test_every_test_can_fail():
    """A test asserts something: with everything it asserts removed it is no test."""
    found = [
        f"{name} {function.name}"
        for name in TESTS
        for function in _tests_in(read(name))
        if not expects_something(function)
    ]

    assert found == []


def test_no_test_is_switched_off():
    """A test is skipped by what the machine lacks or is, and by nothing else."""
    off = re.compile(
        r"mark\.(?:skip(?!if\(sys\.platform)|xfail)|pytest\.(?:skip|xfail|importorskip)\("
    )
    allowed = ("tests/conftest.py", "tests/test_tidy.py")

    assert [name for name in TESTS if off.search(read(name)) and name not in allowed] == []


def test_every_test_states_its_promise():
    """Each test has a docstring of one sentence or two: the promise that it keeps."""
    found = [
        f"{name} {function.name}"
        for name in TESTS
        for function in _tests_in(read(name))
        if not ast.get_docstring(function)
    ]

    assert found == []


DOTTED_NAME = re.compile(r"([a-z_]+(?:\.[a-z_0-9]+)+)(?::\w+)?")


def module_path(module):
    """Return the file of one of our modules, or nothing."""
    stem = module.replace(".", "/")
    return next((n for n in (f"{stem}.py", f"{stem}/__init__.py") if n in FILES), None)


def imports_of(name):
    for node in ast.walk(ast.parse(read(name))):
        if isinstance(node, ast.Import):
            yield from (module_path(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield module_path(str(node.module))
            yield from (module_path(f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Constant) and (found := DOTTED_NAME.fullmatch(str(node.value))):
            yield module_path(found[1])  # loaded by name


def is_start(name):
    """Whether something else than an import starts this file."""
    path = Path(name)
    return (
        path.stem in ("__main__", "__init__")
        or 'if __name__ == "__main__":' in read(name)
        or path.parts[0] not in PROGRAMS
        or "migrations" in path.parts  # Alembic finds these by their place
        or path.parts[:2] == ("firmware", "mcu")  # frozen into the board's image by its manifest
        or name == "firmware/manifest.py"  # which MicroPython's build reads
    )


def reached_modules():
    reached, waiting = set(), [name for name in PYTHON if is_start(name) and name in CODE]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [found for found in imports_of(name) if found]
    return reached


# Finished and tested, but no program uses them yet. This list only grows shorter.
WAITING = {
    "circulation/fees.py": "the gateway books fees that staff charge; it computes none itself",
}


def test_every_module_is_reached():
    """Every module is imported, directly or not, by a program; tests alone keep nothing alive."""
    modules = {name for name in PYTHON if Path(name).parts[0] in PROGRAMS}

    assert sorted(modules - reached_modules()) == sorted(WAITING)


def test_every_other_file_is_named_somewhere():
    """A page, a style sheet, a picture or a document that no other file names is dead."""
    mentions = {name: read(name) for name in WRITTEN}
    kinds = "html css js svg md json csv conf service".split()
    candidates = [
        name
        for name in FILES
        if name.rpartition(".")[2] in kinds and Path(name).name != "README.md"
        if not name.startswith(("tests/scenarios/", "docs/soaks/"))  # taken by the folder
        and "texts" not in Path(name).parts  # chosen by language
    ]
    unnamed = [
        name
        for name in candidates
        if not any(Path(name).name in text for other, text in mentions.items() if other != name)
    ]

    assert unnamed == []


def test_no_package_is_made_of_tests():
    """Tests are run, never installed: no __init__ under tests/."""
    assert [name for name in TESTS if name.endswith("__init__.py")] == []


LONG_FUNCTION = "def f():\n" + "    x()\n" * 50
DEEP_FUNCTION = """
def f():
    if a:
        for b in c:
            with d:
                if e:
                    pass
"""
CHAINED_FUNCTION = "def f():\n    if a:\n        x()\n" + "    elif b:\n        x()\n" * 5


@pytest.mark.parametrize(
    "source", [LONG_FUNCTION, DEEP_FUNCTION, "def f(a, b, c, *, d, e, g, h): ..."]
)
def test_an_oversize_is_found(source):
    """The test of the test: one line, level or parameter too many is reported."""
    assert len(oversizes(source)) == 1


def test_a_chain_of_elifs_is_flat():
    """The branches of one decision count as one level."""
    assert oversizes(CHAINED_FUNCTION) == []


@pytest.mark.parametrize("body", ["pass", "assert True", "print(x)", "x = f()"])
def test_an_emptied_test_is_found(body):
    """A test that cannot fail is no test."""
    (function,) = functions(f"def test_it():\n    {body}\n")

    assert not expects_something(function)
