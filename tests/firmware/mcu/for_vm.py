"""Turns a test file written for pytest on CPython into one that MicroPython can run.

What MicroPython lacks in the language is written otherwise (`[*a, b]`, `zip(strict=)`), and what
it cannot tell at run time is written down: the tests of the file and the names of their
parameters. Nothing that a test asserts is touched.
"""

import ast


class _Plainer(ast.NodeTransformer):
    """Writes otherwise what MicroPython cannot compile."""

    def visit_List(self, node):
        return self._joined(node, "list", ast.List)

    def visit_Tuple(self, node):
        return self._joined(node, "tuple", ast.Tuple)

    def visit_Call(self, node):
        self.generic_visit(node)
        if ast.unparse(node.func) == "zip":
            node.keywords = []
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if called in ("hexdigest", "bit_length", "zfill") and isinstance(node.func, ast.Attribute):
            return _call(f"pytest.{called}", node.func.value, *node.args)
        if ast.unparse(node.func) == "isinstance":
            node.args[1] = _kinds(node.args[1])
        return node

    def visit_Subscript(self, node):
        """Write `text[::-1]` with a function of the runner's."""
        self.generic_visit(node)
        step = getattr(node.slice, "step", None)
        if step is None or ast.unparse(step) != "-1":
            return node
        return _call("pytest.backwards", node.value)

    def visit_Dict(self, node):
        self.generic_visit(node)
        if None not in node.keys:
            return node
        parts = []
        for key, value in zip(node.keys, node.values, strict=True):
            parts.append(value if key is None else ast.Dict([key], [value]))
        return _chain(parts)

    def _joined(self, node, maker, kind):
        """Return `[*a, b]` as `list(a) + [b]`."""
        self.generic_visit(node)
        starred = [one for one in node.elts if isinstance(one, ast.Starred)]
        if not starred or isinstance(node.ctx, ast.Store):
            return node
        parts = []
        for one in node.elts:
            if isinstance(one, ast.Starred):
                parts.append(ast.Call(ast.Name(maker, ast.Load()), [one.value], []))
            else:
                parts.append(kind([one], ast.Load()))
        return _chain(parts, ast.Add())


def _kinds(node):
    """Return `A | B` as `(A, B)`."""
    if not isinstance(node, ast.BinOp):
        return node
    return ast.Tuple([*_flat(node.left), *_flat(node.right)], ast.Load())


def _flat(node):
    return [*_flat(node.left), *_flat(node.right)] if isinstance(node, ast.BinOp) else [node]


def _call(name, *args):
    return ast.Call(ast.parse(name, mode="eval").body, list(args), [])


def _chain(parts, operator=None):
    whole = parts[0]
    for part in parts[1:]:
        whole = ast.BinOp(whole, operator or ast.BitOr(), part)
    return whole


def _parameters(function):
    """Return the names that a test or a fixture asks for."""
    names = [one.arg for one in (*function.args.args, *function.args.kwonlyargs)]
    return [name for name in names if name != "self"]


def _functions(tree):
    """Yield every test and fixture, those of classes with the name of their class before."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            inner = [one for one in node.body if isinstance(one, ast.FunctionDef)]
            yield from ((f"{node.name}.{one.name}", one) for one in inner)


def names_of_tests(source: str) -> list[str]:
    """Return the tests of a file, in order."""
    names = [name for name, _ in _functions(ast.parse(source))]
    tests = [name for name in names if name.rpartition(".")[2].startswith("test_")]
    return [name for name in tests if "." not in name or name.startswith("Test")]


def translated(source: str) -> str:
    """Return the file for MicroPython."""
    tree = ast.parse(source)
    tests, known = names_of_tests(source), {n: _parameters(f) for n, f in _functions(tree)}
    tree = ast.fix_missing_locations(_Plainer().visit(tree))
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    classes = [name for name in classes if name.startswith("Test")]
    written = f"TESTS = {tests!r}\nCLASSES = {classes!r}\nPARAMETERS = {known!r}\n"
    return f"import pytest\n{ast.unparse(tree)}\n{written}"
