"""What a container uses: `docker stats`. Everything is read from /proc, since there are no control groups."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

from pocket_engine.containers import timestamps
from pocket_engine.containers.container import Container
from pocket_engine.containers.memory import used
from pocket_engine.containers.run import Run

_INTERVAL_SECONDS = 1.0
_TICK = 10**9 // os.sysconf("SC_CLK_TCK")  # In nanoseconds.
_NETWORK = dict.fromkeys(
    (
        "rx_bytes",
        "rx_packets",
        "rx_errors",
        "rx_dropped",
        "tx_bytes",
        "tx_packets",
        "tx_errors",
        "tx_dropped",
    ),
    0,
)
_BLKIO = [
    "io_service_bytes_recursive",
    "io_serviced_recursive",
    "io_queue_recursive",
    "io_service_time_recursive",
    "io_wait_time_recursive",
    "io_merged_recursive",
    "io_time_recursive",
    "sectors_recursive",
]


def samples(container: Container) -> Generator[dict[str, Any], None, None]:
    """One a second, until the container is removed; each has the one before it in `precpu_stats`."""
    before, read_before = _no_cpu(), timestamps.NEVER
    while not container.is_removed:
        sample = _sample(container)
        yield {**sample, "preread": read_before, "precpu_stats": before}
        before, read_before = sample["cpu_stats"], sample["read"]
        with container.lock:
            container.changed.wait_for(lambda: container.is_removed, timeout=_INTERVAL_SECONDS)


def one(container: Container, with_previous: bool) -> dict[str, Any]:
    """A single sample.

    Args:
        container: which.
        with_previous: take two, a second apart, so that the use of the processor can be told from it.
    """
    stream = samples(container)
    with contextlib.closing(stream):
        first = next(stream)
        if with_previous and container.run:
            return next(stream, first)
        return first


def _sample(container: Container) -> dict[str, Any]:
    run = container.run
    if run is None:
        return {
            "read": timestamps.NEVER,
            "pids_stats": {},
            "blkio_stats": dict.fromkeys(_BLKIO),
            "num_procs": 0,
            "storage_stats": {},
            "cpu_stats": _no_cpu(),
            "memory_stats": {},
            "name": f"/{container.name}",
            "id": container.id,
        }
    pids = run.running.pids()
    return {
        "read": timestamps.now(),
        "pids_stats": {"current": sum(_threads(pid) for pid in pids)},
        "blkio_stats": _blkio(pids),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _cpu(pids),
        "memory_stats": _memory(container, pids),
        "name": f"/{container.name}",
        "id": container.id,
        **_networks(run),
    }


def _no_cpu() -> dict[str, Any]:
    usage = {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}
    throttling = {"periods": 0, "throttled_periods": 0, "throttled_time": 0}
    return {"cpu_usage": usage, "throttling_data": throttling}


def _cpu(pids: list[int]) -> dict[str, Any]:
    user = kernel = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            # With what its children that have ended used, which would be lost otherwise.
            user += int(fields[11]) + int(fields[13])
            kernel += int(fields[12]) + int(fields[14])
    machine = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    stats = _no_cpu()
    stats["cpu_usage"] = {
        "total_usage": (user + kernel) * _TICK,
        "usage_in_kernelmode": kernel * _TICK,
        "usage_in_usermode": user * _TICK,
    }
    stats["system_cpu_usage"] = sum(int(ticks) for ticks in machine) * _TICK
    stats["online_cpus"] = len(os.sched_getaffinity(0))
    return stats


def _memory(container: Container, pids: list[int]) -> dict[str, Any]:
    usage = sum(used(pid) for pid in pids)
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = container.record.host_config["Memory"] or total
    return {"usage": usage, "stats": {"anon": usage, "cache": 0, "inactive_file": 0}, "limit": limit}


def _threads(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 0


def _blkio(pids: list[int]) -> dict[str, Any]:
    read = written = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError):
            counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
            read += int(counts["read_bytes"])
            written += int(counts["write_bytes"])
    stats: dict[str, Any] = {name: [] for name in _BLKIO}
    stats["io_service_bytes_recursive"] = [
        {"major": 0, "minor": 0, "op": op, "value": value}
        for op, value in (("read", read), ("write", written))
    ]
    return stats


def _networks(run: Run) -> dict[str, Any]:
    """One interface for each network. Nobody counts what goes over them, so they say zero."""
    networks = run.attachment.settings().get("Networks") or {}
    if run.attachment.host_network or not networks:
        return {}
    return {"networks": {f"eth{number}": dict(_NETWORK) for number, _ in enumerate(networks)}}
