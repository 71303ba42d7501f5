"""The benchmarks that need processes of their own: each runs, and keeps what it promises."""

import json

import pytest
from click.testing import CliRunner

from sim.__main__ import main
from sim.measure.machine import descendants


@pytest.mark.parametrize(
    ("name", "rows", "figures"),
    [
        pytest.param(
            "broker",
            3,
            {"items", "facts", "gateway_peak_mb"},
            marks=pytest.mark.needs("mosquitto"),
        ),
        pytest.param(
            "outage", 2, {"facts_per_s", "gateway_peak_mb"}, marks=pytest.mark.needs("mosquitto")
        ),
        pytest.param(
            "site", 1, {"delay_ms_p50", "delay_ms_p99"}, marks=pytest.mark.needs("mosquitto")
        ),
        ("cold", 4, {"items", "bytes", "packed_bytes"}),
        pytest.param(
            "down", 2, {"delay_ms_p50", "versions"}, marks=pytest.mark.needs("mosquitto")
        ),
        ("demo", 3, {"slowest_s"}),
    ],
)
def test_a_benchmark_measures(tmp_path, name, rows, figures):
    """It runs, its rows have a floor above nothing, and it leaves no process behind."""
    before = set(descendants())

    result = CliRunner().invoke(
        main, ["measure", "--quick", "--only", name, "--folder", str(tmp_path)]
    )

    assert result.exit_code == 0, result.output
    doc = json.loads((tmp_path / "measured.json").read_text())
    measured = doc["benchmarks"][name]["rows"]
    assert len(measured) == rows
    assert all(row["value"] > 0 and row["floor"] > 0 for row in measured)
    assert measured[0]["figures"].keys() >= figures
    assert set(descendants()) - before == set()
