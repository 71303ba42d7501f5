"""Scenarios at the bench's page: one at a time, each step shown as it is played.

A thread plays them with the hands of this bench's own API, in real time, and tidies up after
itself; the page watches `state`.
"""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.errors import SimError, WorldError
from sim.scenario.bench import BenchStage
from sim.scenario.play import Player, Report
from sim.scenario.text import Scenario, Step, read_scenario

NOT_HERE = {"pull", "weaken", "cut_power", "restore_power", "bring"}
"""Steps that need a library in one process: a running demo's programs are its own."""
WIRE_FAULTS = {"off", "stuck"}

PLAYING, DONE, FAILED, STOPPED = "playing", "done", "failed", "stopped"


@dataclass
class Show:
    """One scenario as the page shows it."""

    name: str
    title: str
    steps: list[str]
    state: str = PLAYING
    played: int = 0
    said: str = ""

    def to_doc(self) -> dict[str, Any]:
        """Return it as JSON values; `played` counts the steps that went as written."""
        return {
            "name": self.name,
            "title": self.title,
            "steps": self.steps,
            "state": self.state,
            "played": self.played,
            "said": self.said,
        }


@dataclass
class Playing:
    """Plays the scenarios of a folder at the bench with this address."""

    url: str
    folder: Path
    show: Show | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _names: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        """Return what can be played at a running demo, by name."""
        if not self._names:
            files = sorted(self.folder.glob("*.scenario"))
            self._names = [file.stem for file in files if is_playable(read_scenario(file))]
        return self._names

    def start(self, name: str) -> None:
        """Begin a scenario; raises `WorldError` while another is played or if there is none."""
        if self._thread is not None and self._thread.is_alive():
            raise WorldError("a scenario is being played; stop it first")
        if name not in self.names():
            raise WorldError(f"{name!r}: no such scenario in {self.folder.name}")
        scenario = read_scenario(self.folder / f"{name}.scenario")
        self.show = Show(name, scenario.title, [step.text for step in scenario.steps])
        self._stop.clear()
        self._thread = threading.Thread(
            target=self._play, args=(scenario, self.show), name="scenario", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End the scenario after its step; returns at once."""
        self._stop.set()

    def _play(self, scenario: Scenario, show: Show) -> None:
        stage = None
        try:
            stage = BenchStage(self.url)
            player = Player(scenario, stage, listen=lambda report: _follow(show, report))
            while not self._stop.is_set() and player.step() is not None:
                pass
            if not player.failed:
                show.state = STOPPED if player.next is not None else DONE
        except SimError as error:
            show.state, show.said = FAILED, str(error)
        finally:
            if stage is not None:
                stage.tidy()


def is_playable(scenario: Scenario) -> bool:
    """Return whether a running demo can do every step of it."""
    return not any(step.name in NOT_HERE or _is_within(step) for step in scenario.steps)


def _is_within(step: Step) -> bool:
    """Whether a step breaks what is inside a program, or a network in ways a plug cannot."""
    device = step.word("DEVICE")
    is_line = device.endswith("/link") and step.word("FAULT", "off") not in WIRE_FAULTS
    return device.endswith("/disk") or is_line


def _follow(show: Show, report: Report) -> None:
    if report.ok:
        show.played = report.n
    else:
        show.state = FAILED
        show.said = f"Seen: {report.said}. Loans of earlier plays stay; a fresh demo has none."
