"""HostConfig: its defaults, its checks, and what this engine takes note of but cannot do."""

import copy
import os
import re
from typing import Any

from pocket_engine.errors import BadRequest, EngineError, NotImplementedHere
from pocket_engine.networks.publishing import wishes


def _capabilities(names: str) -> frozenset[str]:
    return frozenset(f"CAP_{name}" for name in names.split())


DEFAULT_CAPABILITIES = _capabilities("""
    CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE
    SYS_CHROOT KILL AUDIT_WRITE
""")
_ALL_CAPABILITIES = DEFAULT_CAPABILITIES | _capabilities("""
    AUDIT_CONTROL AUDIT_READ BLOCK_SUSPEND BPF CHECKPOINT_RESTORE DAC_READ_SEARCH IPC_LOCK
    IPC_OWNER LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE NET_ADMIN NET_BROADCAST PERFMON
    SYS_ADMIN SYS_BOOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME
    SYS_TTY_CONFIG SYSLOG WAKE_ALARM
""")
_MINIMUM_MEMORY = 6 * 1024 * 1024
_NANO = 10**9
_SMALLEST_SHARE = _NANO // 100  # Of a processor, in billionths.
_RUNTIMES = ("runc", "pocket")  # The first is what clients name as the default of every engine.
_LOG_OPTIONS = frozenset(
    ("max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag")
)

_DEFAULTS: dict[str, Any] = {
    "Binds": None,
    "ContainerIDFile": "",
    "LogConfig": {"Type": "json-file", "Config": {}},
    "NetworkMode": "default",
    "PortBindings": {},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "AutoRemove": False,
    "VolumeDriver": "",
    "VolumesFrom": None,
    "CapAdd": None,
    "CapDrop": None,
    "CgroupnsMode": "host",
    "Dns": [],
    "DnsOptions": [],
    "DnsSearch": [],
    "ExtraHosts": None,
    "GroupAdd": None,
    "IpcMode": "private",
    "Cgroup": "",
    "Links": None,
    "OomScoreAdj": 0,
    "PidMode": "",
    "Privileged": False,
    "PublishAllPorts": False,
    "ReadonlyRootfs": False,
    "SecurityOpt": None,
    "UTSMode": "",
    "UsernsMode": "",
    "ShmSize": 64 * 1024 * 1024,
    "Runtime": "runc",
    "ConsoleSize": [0, 0],
    "Isolation": "",
    "CpuShares": 0,
    "Memory": 0,
    "NanoCpus": 0,
    "CgroupParent": "",
    "BlkioWeight": 0,
    "BlkioWeightDevice": [],
    "BlkioDeviceReadBps": [],
    "BlkioDeviceWriteBps": [],
    "BlkioDeviceReadIOps": [],
    "BlkioDeviceWriteIOps": [],
    "CpuPeriod": 0,
    "CpuQuota": 0,
    "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0,
    "CpusetCpus": "",
    "CpusetMems": "",
    "Devices": [],
    "DeviceCgroupRules": None,
    "DeviceRequests": None,
    "KernelMemory": 0,
    "KernelMemoryTCP": 0,
    "MemoryReservation": 0,
    "MemorySwap": 0,
    "MemorySwappiness": None,
    "OomKillDisable": False,
    "PidsLimit": None,
    "Ulimits": [],
    "CpuCount": 0,
    "CpuPercent": 0,
    "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0,
    "MaskedPaths": [],
    "ReadonlyPaths": [],
}

_WITHOUT_CGROUPS = "needs control groups, which ordinary users do not have: it is ignored."
_WARNED = {
    **dict.fromkeys(
        ("CpuShares", "NanoCpus", "CpuPeriod", "CpuQuota", "CpusetCpus", "CpusetMems", "CpuRealtimePeriod")
        + (
            "CpuRealtimeRuntime",
            "BlkioWeight",
            "BlkioWeightDevice",
            "BlkioDeviceReadBps",
            "BlkioDeviceWriteBps",
        )
        + (
            "BlkioDeviceReadIOps",
            "BlkioDeviceWriteIOps",
            "KernelMemory",
            "MemoryReservation",
            "MemorySwappiness",
        )
        + ("CgroupParent", "DeviceCgroupRules", "OomKillDisable"),
        _WITHOUT_CGROUPS,
    ),
    "Privileged": "gives all capabilities inside and no more: ordinary users have no others to give.",
    "PidMode": "is ignored: a container always has process ids of its own.",
    "UTSMode": "is ignored: a container always has a host name of its own.",
    "Init": "is ignored: the container's own program is its first process.",
    "StorageOpt": "is ignored: there is no quota on the files of a container.",
    "Sysctls": "needs the machine's administrator: it is ignored.",
    "OomScoreAdj": "is ignored.",
    "UsernsMode": "is ignored: all containers share one user namespace setup.",
}
_UNSET: tuple[Any, ...] = (None, 0, "", False, [], {}, -1)
_REFUSED = {
    "Devices": "devices of the machine cannot be given to a container by an ordinary user",
    "DeviceRequests": "devices of the machine cannot be given to a container by an ordinary user",
}


def completed(given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The HostConfig of a new container, and what its maker should be warned of.

    Args:
        given: as the request has it.

    Raises:
        BadRequest: something in it makes no sense.
        NotImplementedHere: an ordinary user's engine cannot do it.
    """
    result = copy.deepcopy(_DEFAULTS)
    result.update({name: value for name, value in copy.deepcopy(given).items() if value not in (None, "")})
    result["LogConfig"] = _log_config(result["LogConfig"])
    result["RestartPolicy"] = restart_policy(result["RestartPolicy"], bool(result["AutoRemove"]))
    if result["ShmSize"] < 0:
        raise BadRequest("SHM size can not be less than 0")
    wishes((), result["PortBindings"], publish_all=False)
    result["ShmSize"] = result["ShmSize"] or _DEFAULTS["ShmSize"]
    check_memory(result["Memory"], result["MemorySwap"], result["MemoryReservation"])
    _check_cpus(result["NanoCpus"])
    _check_names(result)
    capabilities(result)
    no_new_privileges(result)
    for name, reason in _REFUSED.items():
        if result[name]:
            raise NotImplementedHere(f"{name}: {reason}")
    warnings = [f"{name} {reason}" for name, reason in _WARNED.items() if result.get(name) not in _UNSET]
    if result["MemorySwap"] > 0 and result["MemorySwap"] != result["Memory"]:
        warnings.append(f"MemorySwap {_WITHOUT_CGROUPS}")
    if result["NetworkMode"] == "host" and result["PortBindings"]:
        warnings.append("Published ports are discarded when using host network mode")
    if result["IpcMode"].partition(":")[0] in ("host", "container"):
        warnings.append("IpcMode is ignored: a container always has shared memory of its own.")
    return result, warnings


def restart_policy(policy: dict[str, Any], auto_remove: bool) -> dict[str, Any]:
    """A restart policy with its defaults.

    Raises:
        BadRequest: there is no such policy, or it does not go with its count, or with AutoRemove.
    """
    name, count = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    if name not in ("no", "always", "unless-stopped", "on-failure"):
        raise BadRequest(f"invalid restart policy '{name}'")
    if count and name != "on-failure":
        raise BadRequest(f"maximum retry count cannot be used with restart policy '{name}'")
    if count < 0:
        raise BadRequest("maximum retry count cannot be negative")
    if auto_remove and name != "no":
        raise BadRequest("can't create 'AutoRemove' container with restart policy")
    return {"Name": name, "MaximumRetryCount": count}


def _check_names(host_config: dict[str, Any]) -> None:
    isolation, runtime = host_config["Isolation"], host_config["Runtime"]
    if isolation not in ("", "default"):
        raise BadRequest(f"Invalid isolation: \"{isolation}\" - linux only supports 'default'")
    if runtime not in _RUNTIMES:
        raise BadRequest(f"unknown or invalid runtime name: {runtime}")


def _check_cpus(wanted: int) -> None:
    there = os.cpu_count() or 1
    if wanted and not _SMALLEST_SHARE <= wanted <= there * _NANO:
        raise BadRequest(
            f"Range of CPUs is from 0.01 to {there}.00, as there are only {there} CPUs available"
        )


def check_memory(memory: int, swap: int, reservation: int) -> None:
    """Raises BadRequest when the limits make no sense."""
    if memory and memory < _MINIMUM_MEMORY:
        raise BadRequest("Minimum memory limit allowed is 6MB")
    if swap > 0 and not memory:
        raise BadRequest("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < swap < memory:
        raise BadRequest("Minimum memoryswap limit should be larger than memory limit, see usage")
    if memory and reservation > memory:
        raise BadRequest("Minimum memory limit can not be less than memory reservation limit, see usage")


def capabilities(host_config: dict[str, Any]) -> frozenset[str]:
    """What a container's programs may have at most.

    Raises:
        BadRequest: there is no such capability.
    """
    if host_config["Privileged"]:
        return frozenset(_ALL_CAPABILITIES)
    added = _capability_names("CapAdd", host_config["CapAdd"])
    dropped = _capability_names("CapDrop", host_config["CapDrop"])
    kept = frozenset() if "ALL" in dropped else DEFAULT_CAPABILITIES
    if "ALL" in added:
        return frozenset(_ALL_CAPABILITIES - dropped)
    return (kept - dropped) | added if "ALL" in dropped else (kept | added) - dropped


def _capability_names(field: str, given: list[str] | None) -> frozenset[str]:
    names = set()
    for name in given or []:
        upper = name.upper()
        full = upper if upper == "ALL" else "CAP_" + upper.removeprefix("CAP_")
        if full != "ALL" and full not in _ALL_CAPABILITIES:
            raise BadRequest(f'invalid {field}: unknown capability: "{full}"')
        names.add(full)
    return frozenset(names)


def no_new_privileges(host_config: dict[str, Any]) -> bool:
    """Whether SecurityOpt says so.

    Raises:
        EngineError: SecurityOpt has something that is no option.
    """
    wanted = False
    for number, option in enumerate(host_config["SecurityOpt"] or [], 1):
        name, _, value = option.replace("=", ":", 1).partition(":")
        if name == "no-new-privileges":
            wanted = value in ("", "true")
        elif name not in ("seccomp", "apparmor", "label", "systempaths") or not value:
            raise EngineError(f'invalid --security-opt {number}: "{option}"')
    return wanted


def _log_config(given: dict[str, Any]) -> dict[str, Any]:
    driver, options = given.get("Type") or "json-file", given.get("Config") or {}
    if driver not in ("json-file", "none"):
        raise EngineError(f"logger: no log driver named '{driver}' is registered")
    for option, value in options.items():
        if driver == "json-file" and option not in _LOG_OPTIONS:
            raise BadRequest(f"unknown log opt '{option}' for json-file log driver")
        if option == "max-size" and not re.fullmatch(r"-1|\d+[kmg]?b?", value.lower()):
            raise BadRequest(f"invalid value for max-size: invalid size: '{value}'")
        if option == "max-file" and not re.fullmatch(r"[1-9]\d*", value):
            raise BadRequest(f"invalid value for max-file: '{value}'. It must be a number from 1 on")
    return {"Type": driver, "Config": options}
