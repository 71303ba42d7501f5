"""The tests of portable code, on a real MicroPython with a microcontroller's heap.

The files are those that pytest runs on CPython (`for_vm.py` writes otherwise what MicroPython
cannot compile, `shims/` holds as much of pytest as they use); those in `both/` use nothing but
plain asserts. What cannot run there is listed below, each with its reason.
"""

import json
from pathlib import Path

import pytest

from sim.mcu import vm
from tests.firmware.mcu.for_vm import names_of_tests, translated

ROOT = Path(__file__).parents[3]
SHIMS = ROOT / "tests/firmware/mcu/shims"
RUNNER = "tests/firmware/mcu/vm_runner.py"
FOLDERS = (
    *("tests/circulation/wire", "tests/circulation/sync", "tests/firmware/gate"),
    *("tests/hardware/chips", "tests/firmware/mcu/both"),
)
DOCS = ("docs/gate.md",)

FILES_LEFT_OUT = {
    "tests/circulation/wire/test_fuse.py": "counts with a kind of int; test_fuse_both.py runs",
    "tests/circulation/wire/test_mac_of_words.py": "there are no enumerations there",
    "tests/circulation/wire/test_protocol_doc.py": "reads a page with re.findall",
    "tests/firmware/gate/test_scenarios.py": "test_vm_scenarios.py plays them there",
    "tests/hardware/chips/test_rc522_chip.py": "its chip is the simulator's, which needs threads",
}
LEFT_OUT = {
    "test_an_unreadable_body_says_why[15]": "NaN is no JSON there, and refused as such",
    "test_each_kind_has_one_name_and_moving_kinds_are_kinds[0]": "asks with vars()",
    "test_every_option_has_a_default_within_its_bounds[0]": "asks for _fields of a namedtuple",
    "test_a_damaged_field_never_makes_a_uid[0]": "changes a namedtuple with _replace",
    "test_item_and_owner_fill_their_own_blocks[0]": "groups hex digits from the right",
    "test_a_wrong_block_check_is_never_selected[0]": "changes a namedtuple with _replace",
}
ROOMY = {
    "tests/circulation/sync/test_upload.py": "a whole gateway stands beside the station",
    "tests/firmware/gate/test_overlay.py": "as large as a Pi keeps it; a board's has other limits",
    "tests/hardware/chips/test_pad_feig.py": "holds every flipped frame at once",
}
ROOMY_HEAP_BYTES = 64 * 1024 * 1024
TESTS_HEAP_BYTES = 64 * 1024
"""What pytest's stand-in and the other files' own vectors take; no device has them."""

FILES = [
    str(path.relative_to(ROOT)) for top in FOLDERS for path in sorted((ROOT / top).glob("*.py"))
]
TEST_FILES = [name for name in FILES if Path(name).name.startswith("test_")]

pytestmark = pytest.mark.needs("micropython")


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    """A device's files, compiled, with the tests and what they stand on beside them."""
    written = tmp_path_factory.mktemp("written")
    more = {path.name: path for path in SHIMS.glob("*.py")}
    more |= {RUNNER: ROOT / RUNNER} | {name: ROOT / name for name in DOCS}
    for name in [*FILES, "tests/contract/journal_contract.py", "sim/mcu/flash.py"]:
        more[name] = written / name
        more[name].parent.mkdir(parents=True, exist_ok=True)
        more[name].write_text(translated((ROOT / name).read_text()))
    return vm.lay_out(tmp_path_factory.mktemp("device"), compiled=True, more=more)


def played(device, name):
    """Return how each test of a file ended: "" or a traceback."""
    found = vm.find_vm()
    assert found is not None, vm.NO_VM
    frozen = sum(vm.frozen_bytes(device / part) for part in ("circulation", "firmware"))
    heap_bytes = vm.PICO_W_HEAP_BYTES + frozen + TESTS_HEAP_BYTES
    ran = found.run(
        RUNNER.removesuffix(".py").replace("/", "."),
        name.removesuffix(".py").replace("/", "."),
        folders=[device],
        heap_bytes=ROOMY_HEAP_BYTES if name in ROOMY else heap_bytes,
    )
    assert (ran.code, ran.error) == (0, ""), ran.error
    return dict(json.loads(line) for line in ran.out.splitlines() if line.startswith("["))


@pytest.mark.parametrize("name", [name for name in TEST_FILES if name not in FILES_LEFT_OUT])
def test_portable_code_passes_its_tests_on_micropython(name, device):
    """Every test of the file passes there too, or is named above with its reason."""
    ended = played(device, name)

    failed = {test: error for test, error in ended.items() if error and test not in LEFT_OUT}
    assert failed == {}
    assert [test for test, error in ended.items() if test in LEFT_OUT and not error] == []
    run = {test.partition("[")[0] for test in ended}
    given = "@given(" in (ROOT / name).read_text()
    assert given or run >= set(names_of_tests((ROOT / name).read_text()))


def test_a_failing_test_is_told(device, tmp_path):
    """The test of the test: what fails, raises nothing, or raises otherwise is reported."""
    source = """
import pytest
def test_wrong(): assert 1 == 2
def test_silent():
    with pytest.raises(ValueError): pass
@pytest.mark.parametrize("n", [1, 2])
def test_row(n): assert n == 1
"""
    (tmp_path / "test_it.py").write_text(translated(source))
    vm.compile_to(tmp_path / "test_it.py", device / "test_it.mpy", "test_it.py")

    ended = played(device, "test_it.py")

    assert {test for test, error in ended.items() if error} == {
        *("test_wrong[0]", "test_silent[0]", "test_row[1]")
    }


def test_what_is_left_out_is_there():
    """A reason whose test has gone goes too."""
    assert [name for name in FILES_LEFT_OUT if name not in TEST_FILES] == []
    texts = " ".join((ROOT / name).read_text() for name in TEST_FILES)
    assert [test for test in LEFT_OUT if test.partition("[")[0] not in texts] == []
