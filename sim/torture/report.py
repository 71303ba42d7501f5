"""What storms came to: for a screen, for a program, and for docs/reliability.md."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import SimError
from sim.torture.faults import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN = "<!-- sockets: written by `lendgate-sim torture --write-docs`, do not edit -->"
END = "<!-- /sockets -->"
FINDINGS_SHOWN = 20

HEADINGS = {
    "broker": "broker",
    "facts": "facts written",
    "applied_once": "applied once",
    "messages_taken": "messages with a PUBACK",
    "messages_lost": "of them never delivered",
    "facts_again": "facts delivered again",
    "faults_in_all": "faults",
    "kills": "of them kill -9",
    "findings": "findings",
}


def sentence(doc: Mapping[str, Any]) -> str:
    """Return how one storm went."""
    return (
        f"{doc['broker']}: {doc['facts']:,} facts written, {doc['applied_once']:,} applied once; "
        f"{sum(doc['faults'].values())} faults, {doc['kills']} of them kill -9; "
        f"{doc['messages_lost']:,} of {doc['messages_taken']:,} messages with a PUBACK never "
        f"came, {doc['facts_again']:,} facts came again; storm {doc['storm_s']:.0f} s, "
        f"quiet {doc['heal_s']:.0f} s later"
    )


def findings(docs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong, the first lines of it."""
    found = [f"{doc['broker']}: {finding}" for doc in docs for finding in doc["findings"]]
    more = [f"… and {len(found) - FINDINGS_SHOWN} more"] if len(found) > FINDINGS_SHOWN else []
    return found[:FINDINGS_SHOWN] + more


def markdown(docs: Sequence[Mapping[str, Any]], machine: str) -> str:
    """Return the tables for a page: each broker and all together, then the faults by kind."""
    rows = [_row(doc) for doc in docs]
    if len(rows) > 1:
        names = list(HEADINGS)[1:]
        rows.append(
            {"broker": "together", **{name: sum(row[name] for row in rows) for name in names}}
        )
    lines = [machine, "", *_table(list(HEADINGS.values()), [_cells(row) for row in rows])]
    kinds = [
        [f"`{kind}`", what.text, str(sum(doc["faults"].get(kind, 0) for doc in docs))]
        for kind, what in KINDS.items()
    ]
    lines += ["", *_table(["fault", "what it is", "times"], kinds)]
    return "\n".join(lines)


def write_docs(block: str, page: Path = PAGE) -> None:
    """Put the block between the marks of the page; raises `SimError` if it has none."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SimError(f"{page} has no block to write to; it begins with {BEGIN}")
    page.write_text(f"{before}{BEGIN}\n\n{block}\n\n{END}{after}", encoding="utf-8")


def write_json(path: Path, docs: Sequence[Mapping[str, Any]], machine: Mapping[str, Any]) -> None:
    """Keep everything for a program."""
    doc = {"format": 1, "machine": dict(machine), "storms": list(docs)}
    path.write_text(json.dumps(doc, indent=1) + "\n", encoding="utf-8")


def _row(doc: Mapping[str, Any]) -> dict[str, Any]:
    counted = {"faults_in_all": sum(doc["faults"].values()), "findings": len(doc["findings"])}
    return {name: {**doc, **counted}[name] for name in HEADINGS}


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [value if isinstance(value, str) else f"{value:,}" for value in row.values()]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [headings, ["---", *("---:" for _ in headings[1:])], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
