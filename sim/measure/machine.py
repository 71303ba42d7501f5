"""On what was measured: numbers without their machine mean nothing."""

import datetime as dt
import os
import platform
import sqlite3
from pathlib import Path
from typing import Any

MB = 1_000_000


def describe(folder: Path) -> dict[str, Any]:
    """Return what matters of this machine; folder: on the disk that is measured."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _after_colon(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MB,
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()}",
        "file_system": _file_system(folder),
    }


def in_words(machine: dict[str, Any]) -> str:
    """Return the same as a sentence."""
    return (
        f"{machine['date']}: {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory_mb'] / 1_000:.0f} GB, load {machine['load_before']} at the start, "
        f"{machine['system']}, {machine['file_system']}, Python {machine['python']}, "
        f"SQLite {machine['sqlite']}."
    )


def rss_mb(pid: int | str = "self") -> float:
    """Return how much memory a process holds now, in MB; 0 where the system does not say."""
    return _status_mb(pid, "VmRSS")


def peak_rss_mb(pid: int | str = "self") -> float:
    """Return the most memory a process ever held, in MB."""
    return _status_mb(pid, "VmHWM")


def descendants() -> dict[int, str]:
    """Return the command line of every process that this one has started, and so on."""
    found: dict[int, str] = {}
    waiting = [os.getpid()]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*"):
            for child in map(int, _read(task / "children").split()):
                found[child] = _read(Path(f"/proc/{child}/cmdline")).replace("\0", " ")
                waiting.append(child)
    return found


def _status_mb(pid: int | str, name: str) -> float:
    text = _after_colon(Path(f"/proc/{pid}/status"), name)
    return int(text.split()[0]) * 1024 / MB if text else 0.0


def _after_colon(path: Path, name: str) -> str:
    for line in _read(path).splitlines():
        found, _, value = line.partition(":")
        if found.strip() == name:
            return value.strip()
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # the process has ended, or this is no Linux
        return ""


def _file_system(folder: Path) -> str:
    """Return the kind of file system a folder is on."""
    path, best, kind = str(folder.resolve()), "", "unknown file system"
    for line in _read(Path("/proc/mounts")).splitlines():
        _, where, found, *_ = line.split()
        if len(where) > len(best) and f"{path}/".startswith(f"{where.rstrip('/')}/"):
            best, kind = where, found
    return kind
