"""What storms and days came to: for a screen, for a program, and for docs/reliability.md.

Each command keeps its numbers in a file of its own in one folder; the page shows what lies there.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.errors import SimError
from sim.torture.faults import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN = "<!-- sockets: written by `lendgate-sim torture` and `honest` with --write-docs -->"
END = "<!-- /sockets -->"
FINDINGS_SHOWN = 20
STORMS, DAYS = "torture.json", "honest.json"

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


DAY_ROWS = {
    "loans": "loans at the kiosk, each at the gateway exactly once",
    "books_seen": "books carried past a gate that was alive",
    "left_by_label": "books whose tag still said *in stock*: the gate knew from the kiosk",
    "walks_unseen": "walks past a gate that was dead just then",
    "false_alarms": "**alarms for an honest reader**",
    "thieves_heard": "thieves heard in between, of as many that met a living gate",
    "kills_in_all": "kill -9 of broker, gateway and gate",
    "loans_timed": "books timed from the hand to the gate's socket; nine are laid down at once",
    "told_ms_p50": "median of that, ms",
    "told_ms_p99": "p99 of that, ms",
    "loans_timed_gateway_away": "of them with the gateway dead",
    "told_gateway_away_ms_p99": "p99 of these, ms",
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


def day_sentence(doc: Mapping[str, Any]) -> str:
    """Return how one day of honest readers went."""
    return (
        f"{doc['broker']}: {doc['loans']:,} loans, {doc['books_seen']:,} books past a living "
        f"gate, {doc['false_alarms']} alarms, {doc['thieves_heard']} thieves heard; "
        f"{sum(doc['kills'].values())} kills; told to the gate within "
        f"{doc.get('told_ms_p99', 0):.0f} ms (p99)"
    )


def findings(docs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong, the first lines of it."""
    found = [f"{doc['broker']}: {finding}" for doc in docs for finding in doc["findings"]]
    more = [f"… and {len(found) - FINDINGS_SHOWN} more"] if len(found) > FINDINGS_SHOWN else []
    return found[:FINDINGS_SHOWN] + more


def markdown(folder: Path) -> str:
    """Return what the page shows of the results in a folder; raises `SimError` if it has none."""
    parts = [
        "\n\n".join([kept["machine"], *tables(kept["results"])])
        for name, tables in ((STORMS, _storms), (DAYS, _days))
        if (kept := _kept(folder / name)) is not None
    ]
    if not parts:
        raise SimError(f"{folder}: no results of a storm or a day are there")
    return "\n\n".join(parts)


def write_docs(block: str, page: Path = PAGE) -> None:
    """Put the block between the marks of the page; raises `SimError` if it has none."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SimError(f"{page} has no block to write to; it begins with {BEGIN}")
    page.write_text(f"{before}{BEGIN}\n\n{block}\n\n{END}{after}", encoding="utf-8")


def keep(path: Path, docs: Sequence[Mapping[str, Any]], machine: str) -> None:
    """Keep everything for a program. machine: where it was measured, in a sentence."""
    doc = {"format": 1, "machine": machine, "results": list(docs)}
    path.write_text(json.dumps(doc, indent=1) + "\n", encoding="utf-8")


def _kept(path: Path) -> dict[str, Any] | None:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _storms(docs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return two tables: each broker and all together, and the faults by kind."""
    rows = [_row(doc) for doc in docs]
    names = list(HEADINGS)[1:]
    if len(rows) > 1:
        rows.append({"broker": "together", **{name: sum(r[name] for r in rows) for name in names}})
    kinds = [
        [f"`{kind}`", what.text, str(sum(doc["faults"].get(kind, 0) for doc in docs))]
        for kind, what in KINDS.items()
    ]
    return [
        _table(list(HEADINGS.values()), [_cells(row) for row in rows]),
        _table(["fault", "what it is", "times"], kinds),
    ]


def _days(docs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a table with a column for each broker."""
    counted = [{**doc, "kills_in_all": sum(doc["kills"].values())} for doc in docs]
    rows = [
        [text, *(f"{doc.get(name, 0):,.0f}" for doc in counted)] for name, text in DAY_ROWS.items()
    ]
    return [_table(["a day of honest readers", *(str(doc["broker"]) for doc in docs)], rows)]


def _row(doc: Mapping[str, Any]) -> dict[str, Any]:
    counted = {"faults_in_all": sum(doc["faults"].values()), "findings": len(doc["findings"])}
    return {name: {**doc, **counted}[name] for name in HEADINGS}


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [value if isinstance(value, str) else f"{value:,}" for value in row.values()]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    columns = list(zip(*rows, strict=True))
    sides = ["---:" if all(map(_is_number, column)) else "---" for column in columns]
    lines = [headings, sides, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _is_number(cell: str) -> bool:
    return cell.replace(",", "").isdigit()
