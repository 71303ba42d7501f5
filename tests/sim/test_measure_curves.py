"""Curves of growing costs: drawn twice alike, with every point and both lines named."""

import json
import re

import pytest
from click.testing import CliRunner

from sim.__main__ import main
from sim.measure.curves import FORMATS, Curve, Point, as_json, as_markdown, draw

CURVE = Curve(
    "growth-facts",
    "Ingest",
    "facts waiting",
    "facts/s",
    "bare SQL",
    (Point(1_000, 2_000, 30_000), Point(10_000, 2_500, 31_000), Point(100_000, 2_400, 29_000)),
)


def test_a_curve_is_drawn_with_its_floor_and_every_point(tmp_path):
    """Both lines are named, the axes say what they hold, and the numbers stand at the points."""
    svg, png = draw(CURVE, tmp_path / "new")

    text = svg.read_text(encoding="utf-8")
    words = {"Ingest", "facts waiting", "facts/s", "bare SQL", "Lendgate", "2,000", "2,500"}
    assert words <= set(re.findall(r">([^<>\n]+)</text>", text))
    assert png.read_bytes().startswith(b"\x89PNG")
    assert [file.suffix[1:] for file in (svg, png)] == list(FORMATS)


def test_the_same_curve_is_the_same_bytes(tmp_path):
    """A page that is written again does not change its pictures for nothing."""
    once, again = draw(CURVE, tmp_path / "one"), draw(CURVE, tmp_path / "two")

    assert [file.read_bytes() for file in once] == [file.read_bytes() for file in again]


def test_whoever_cannot_see_the_picture_is_told_what_it_shows():
    """The alternative text has both ends of both lines."""
    assert as_markdown([CURVE], "images") == (
        "![Ingest: 2,000 at 1,000 facts waiting, 2,400 at 100,000; "
        "the floor goes from 30,000 to 29,000](images/growth-facts.svg)"
    )


def test_a_program_finds_every_point():
    """The JSON keeps size, value and floor of each point, and the machine."""
    doc = json.loads(as_json([CURVE], {"cores": 2}))

    assert doc["machine"] == {"cores": 2}
    assert doc["curves"][0]["points"][1] == {"size": 10_000, "value": 2_500, "floor": 31_000}


@pytest.mark.parametrize("zero", [Point(10, 0.0, 1.0), Point(10, 1.0, 0.0)])
def test_a_value_of_nothing_does_not_spoil_a_logarithmic_picture(tmp_path, zero):
    """A clock too coarse for a small size gives 0; the other points are still drawn."""
    curve = Curve("c", "t", "s", "v", "f", (zero, Point(100, 3.0, 2.0)))

    svg, _ = draw(curve, tmp_path)

    assert ">3</text>" in svg.read_text(encoding="utf-8")


def grown(folder, *arguments):
    """Return the exit code and what was said of a quick measurement of growth."""
    options = ("growth", "--quick", "--folder", str(folder), *arguments)
    result = CliRunner().invoke(main, options)
    return result.exit_code, result.output


def test_growth_is_measured_drawn_and_kept(tmp_path):
    """One size of one curve: a picture of it in both formats, and its numbers."""
    code, said = grown(tmp_path, "--only", "facts", "--largest", "1000", "--items", "100")

    assert code == 0, said
    doc = json.loads((tmp_path / "grown.json").read_text())
    (point,) = doc["curves"][0]["points"]
    assert point["size"] == 1_000
    assert point["value"] > 0
    assert point["floor"] > 0
    assert {"ingest.svg", "ingest.png"} <= {file.name for file in tmp_path.iterdir()}


def test_growth_without_a_size_is_refused(tmp_path):
    """Nobody gets an empty picture: the smallest size is named."""
    code, said = grown(tmp_path, "--only", "items", "--largest", "5")

    assert (code, "the smallest size is 10,000" in said) == (1, True)


def test_half_of_the_curves_are_not_put_into_the_page(tmp_path):
    """The page has whole runs only."""
    code, said = grown(tmp_path, "--write-docs", "--only", "facts")

    assert (code, "whole runs only" in said) == (1, True)
