"""What every benchmark writes beside its figures: the machine, the versions, the time."""

from __future__ import annotations

import ctypes
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
from typing import Any

RESULTS = pathlib.Path(__file__).parent / "results"
DISTRIBUTIONS = ("jax", "jaxlib", "keras", "numpy", "tensorflow")


def processor() -> str:
    """The processor's name, as Linux tells it, or what Python knows of it."""
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        # No Linux.
        pass
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """What the figures were measured on; the load says who else was using it."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "load_1_minute": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """The versions of Python, of this package and of what it runs on."""
    import tensorflow_federated as tff

    found = {"python": platform.python_version(), "tff-ng": tff.__version__}
    for name in DISTRIBUTIONS:
        found[name] = importlib.metadata.version(name)
    return found


def resident_mib() -> float:
    """The memory of this process that is in RAM now, in MiB."""
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class _MallocFigures(ctypes.Structure):
    """What `mallinfo2` of the C library answers."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def allocated_mib() -> float:
    """The memory that `malloc` has given out and not got back, in MiB; what is in RAM elsewhere."""
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        # No glibc, or one before 2.33.
        return resident_mib()
    mallinfo.restype = _MallocFigures
    figures = mallinfo()
    return (figures.uordblks + figures.hblkhd) / 2**20


def write_results(name: str, figures: dict[str, Any]) -> pathlib.Path:
    """Writes `results/<name>.json` and returns its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    stamped = {
        "benchmark": name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        **figures,
    }
    path.write_text(json.dumps(stamped, indent=2) + "\n", encoding="utf-8")
    return path
