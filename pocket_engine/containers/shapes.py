"""What requests on containers look like. For the notation see `pocket_engine.json_shapes`."""

from typing import Any

_ANYTHING_NAMED: dict[Any, Any] = {...: {}}
_TEXTS: dict[Any, Any] = {...: str}

_HEALTHCHECK = {
    "Test": [str],
    **dict.fromkeys(("Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"), int),
}

HOST_CONFIG: dict[str, Any] = {
    **dict.fromkeys(("Binds", "CapAdd", "CapDrop", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts"), [str]),
    **dict.fromkeys(("GroupAdd", "Links", "SecurityOpt", "VolumesFrom"), [str]),
    **dict.fromkeys(("IpcMode", "NetworkMode", "PidMode", "UTSMode", "UsernsMode", "VolumeDriver"), str),
    **dict.fromkeys(("CpusetCpus", "CpusetMems", "CgroupParent", "Runtime"), str),
    **dict.fromkeys(("AutoRemove", "Privileged", "PublishAllPorts", "ReadonlyRootfs", "Init"), bool),
    **dict.fromkeys(("Memory", "MemorySwap", "MemoryReservation", "PidsLimit", "ShmSize", "NanoCpus"), int),
    **dict.fromkeys(("CpuShares", "CpuPeriod", "CpuQuota", "BlkioWeight", "OomScoreAdj"), int),
    **dict.fromkeys(("StorageOpt", "Sysctls", "Tmpfs"), _TEXTS),
    "LogConfig": {"Type": str, "Config": _TEXTS},
    "Mounts": [{"Type": str, "Source": str, "Target": str, "ReadOnly": bool}],
    "PortBindings": {...: [{"HostIp": str, "HostPort": str}]},
    "RestartPolicy": {"Name": str, "MaximumRetryCount": int},
    "Ulimits": [{"Name": str, "Soft": int, "Hard": int}],
}

ENDPOINT: dict[str, Any] = {
    "Aliases": [str],
    "Links": [str],
    "IPAMConfig": {"IPv4Address": str, "IPv6Address": str},
}

CREATE: dict[str, Any] = {
    **dict.fromkeys(("Hostname", "Domainname", "Image", "WorkingDir", "StopSignal", "MacAddress"), str),
    **dict.fromkeys(("Tty", "OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"), bool),
    **dict.fromkeys(("Cmd", "Entrypoint"), ([str], str)),
    **dict.fromkeys(("Env", "OnBuild", "Shell"), [str]),
    **dict.fromkeys(("ExposedPorts", "Volumes"), _ANYTHING_NAMED),
    "StopTimeout": int,
    "Labels": _TEXTS,
    "Healthcheck": _HEALTHCHECK,
    "HostConfig": HOST_CONFIG,
    "NetworkingConfig": {"EndpointsConfig": {...: ENDPOINT}},
}

EXEC: dict[str, Any] = {
    "Cmd": ([str], str),
    "Env": [str],
    "WorkingDir": str,
    **dict.fromkeys(("Tty", "Privileged", "AttachStdin", "AttachStdout", "AttachStderr"), bool),
}
