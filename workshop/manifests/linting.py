"""What no schema can see: rules that stand only in its words, and whether objects fit together."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from workshop.manifests.files import Manifest, Problem, Problems, problem
from workshop.manifests.schema import Keys

SCALABLE = ("Deployment", "StatefulSet")
WORKLOADS = (*SCALABLE, "DaemonSet")
CONTAINERS: Keys = ("spec", "template", "spec", "containers")
PROBES = ("readinessProbe", "livenessProbe", "startupProbe")

Found = Iterator[Problem]


def lint(objects: Sequence[Manifest]) -> Problems:
    """Look for mistakes that every schema lets through.

    A selector that does not match; a Service that selects nothing, or whose port leads nowhere; a
    probe of a port that is not there; a port name that is too long; an autoscaler without a target.
    """
    rules = ((rule, manifest) for manifest in objects for rule in RULES.get(str(manifest.get("kind")), ()))
    return Problems(found for rule, manifest in rules for found in rule(manifest, objects))


def selected(service: Manifest, objects: Sequence[Manifest]) -> list[Manifest]:
    """The Deployments, StatefulSets and DaemonSets whose pods a Service's selector matches."""
    selector = _mapping(service, "spec", "selector")
    return [
        w for w in objects if w.get("kind") in WORKLOADS and selector and _matches(selector, _pod_labels(w))
    ]


def _own_selector(workload: Manifest, objects: Sequence[Manifest]) -> Found:
    wanted, labels = _mapping(workload, "spec", "selector", "matchLabels"), _pod_labels(workload)
    keys: Keys = ("spec", "selector", "matchLabels")
    if not wanted and not _at(workload, "spec", "selector", "matchExpressions"):
        yield problem(workload, keys, "The selector is empty. Name a label that the template's pods carry.")
    for name, value in wanted.items():
        if labels.get(name) != value:
            what = (
                f"The selector wants “{name}: {value}”, but the template's pods have {_said(labels, name)}."
            )
            yield problem(workload, (*keys, name), f"{what} Kubernetes refuses such a {workload['kind']}.")


def _port_names(workload: Manifest, objects: Sequence[Manifest]) -> Found:
    for at, _, port in _ports(workload):
        name, number = port.get("name"), port.get("containerPort")
        if name is not None and (fault := _fault_in_name(str(name))):
            yield problem(workload, (*at, "name"), f"“{name}” cannot be the name of a port: {fault}.")
        if isinstance(number, int) and not 0 < number < 65536:
            yield problem(workload, (*at, "containerPort"), f"{number} is no port; ports go from 1 to 65535.")


def _probed_ports(workload: Manifest, objects: Sequence[Manifest]) -> Found:
    for number, container in enumerate(_containers(workload)):
        ports = [port for _, owner, port in _ports(workload) if owner is container]
        names = {port.get("name"): port.get("containerPort") for port in ports}
        known = [*filter(None, names), *filter(None, names.values())]
        for probe in PROBES:
            for way in ("httpGet", "grpc", "tcpSocket"):
                port = _at(container, probe, way, "port")
                if port is not None and port not in known:
                    keys = (*CONTAINERS, number, probe, way, "port")
                    what = f"The probe asks port “{port}”, but this container has {_listed(known)}."
                    yield problem(workload, keys, what)


def _selects_something(service: Manifest, objects: Sequence[Manifest]) -> Found:
    selector = _mapping(service, "spec", "selector")
    if not selector or selected(service, objects):
        return
    keys: Keys = ("spec", "selector")
    for name, value in selector.items():
        others = sorted({str(_pod_labels(w)[name]) for w in objects if name in _pod_labels(w)})
        if str(value) not in others:
            said = (
                f"the pods have {' and '.join(f'“{o}”' for o in others)}"
                if others
                else "no pod has that label"
            )
            what = f"This Service selects nothing: it wants “{name}: {value}”, and {said}."
            yield problem(service, (*keys, name), what)
            return
    yield problem(service, keys, "This Service selects nothing: no pod has all of these labels at once.")


def _leads_to_a_port(service: Manifest, objects: Sequence[Manifest]) -> Found:
    headless = _at(service, "spec", "clusterIP") == "None"
    for number, port in enumerate(_mappings(service, "spec", "ports")):
        target = port.get("targetPort", port.get("port"))
        key = "targetPort" if "targetPort" in port else "port"
        keys = ("spec", "ports", number, key)
        for workload in selected(service, objects):
            open_ports = [p for _, _, p in _ports(workload)]
            known = [p.get("name") for p in open_ports if p.get("name")] + [
                p.get("containerPort") for p in open_ports
            ]
            if target not in known:
                what = (
                    f"This leads to port “{target}”, but the pods of {workload.name} have {_listed(known)}."
                )
                yield problem(service, keys, what)
            elif headless and (clash := _headless_clash(port, open_ports)):
                yield problem(service, keys, clash)


def _headless_clash(port: dict[str, Any], open_ports: list[dict[str, Any]]) -> str:
    numbers = {p.get("name"): p.get("containerPort") for p in open_ports}
    target = port.get("targetPort", port["port"])
    leads_to = numbers.get(target, target)
    if leads_to == port["port"]:
        return ""
    return (
        f"A headless Service passes nothing on, so clients would call {port['port']}, "
        f"and the pods listen on {leads_to}. Make the two the same."
    )


def _has_a_target(scaler: Manifest, objects: Sequence[Manifest]) -> Found:
    target = _mapping(scaler, "spec", "scaleTargetRef")
    keys: Keys = ("spec", "scaleTargetRef")
    wanted = f"{target.get('kind')} {target.get('name')}"
    there = {workload.name: workload for workload in objects if workload.get("kind") in SCALABLE}
    workload = there.get(wanted)
    if workload is None:
        yield problem(scaler, keys, f"There is no {wanted} to scale. There is: {_listed(list(there))}.")
    elif target.get("apiVersion") != workload.get("apiVersion"):
        what = f"A {target['kind']} has the apiVersion {workload.get('apiVersion')}."
        yield problem(scaler, (*keys, "apiVersion"), what)
    else:
        yield from _fits_its_target(scaler, workload)


def _fits_its_target(scaler: Manifest, workload: Manifest) -> Found:
    lowest, highest = _at(scaler, "spec", "minReplicas") or 1, _at(scaler, "spec", "maxReplicas")
    if isinstance(lowest, int) and isinstance(highest, int) and lowest > highest:
        yield problem(
            scaler, ("spec", "minReplicas"), f"The least ({lowest}) is more than the most ({highest})."
        )
    if _at(workload, "spec", "replicas") is not None:
        what = (
            "This number and the autoscaler's take turns: every `kubectl apply` sets it back. Leave it out."
        )
        yield problem(workload, ("spec", "replicas"), what)
    for metric in _mappings(scaler, "spec", "metrics"):
        resource = _at(metric, "resource", "name")
        share = _at(metric, "resource", "target", "type") == "Utilization"
        for number, container in enumerate(_containers(workload)):
            if share and not _mapping(container, "resources", "requests").get(resource):
                what = (
                    f"The autoscaler reckons in shares of the requested {resource}, and this requests none."
                )
                yield problem(workload, (*CONTAINERS, number, "resources", "requests"), what)


Rule = Callable[[Manifest, Sequence[Manifest]], Found]

_FOR_WORKLOADS: tuple[Rule, ...] = (_own_selector, _port_names, _probed_ports)

RULES: dict[str, tuple[Rule, ...]] = {
    **dict.fromkeys(WORKLOADS, _FOR_WORKLOADS),
    "Service": (_selects_something, _leads_to_a_port),
    "HorizontalPodAutoscaler": (_has_a_target,),
}


def _at(value: Any, *keys: str | int) -> Any:
    """What stands at `keys`, or None: an object may be wrong in any way when it comes here."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _mapping(value: Any, *keys: str | int) -> dict[str, Any]:
    found = _at(value, *keys)
    return found if isinstance(found, dict) else {}


def _mappings(value: Any, *keys: str | int) -> list[dict[str, Any]]:
    found = _at(value, *keys)
    return [one if isinstance(one, dict) else {} for one in found] if isinstance(found, list) else []


def _pod_labels(workload: Manifest) -> dict[str, str]:
    return _mapping(workload, "spec", "template", "metadata", "labels")


def _matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


def _containers(workload: Manifest) -> list[dict[str, Any]]:
    return _mappings(workload, *CONTAINERS)


def _ports(workload: Manifest) -> Iterator[tuple[Keys, dict[str, Any], dict[str, Any]]]:
    """Every port of a workload's containers: where it stands, its container, and itself."""
    for number, container in enumerate(_containers(workload)):
        for place, port in enumerate(_mappings(container, "ports")):
            yield (*CONTAINERS, number, "ports", place), container, port


def _fault_in_name(name: str) -> str:
    """What is wrong with a port's name; the rules are those of IANA_SVC_NAME, RFC 6335."""
    if len(name) > 15:
        return f"it has {len(name)} characters, and 15 is the most"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        return "it may have small letters, digits, and single hyphens between them"
    return "" if re.search("[a-z]", name) else "at least one character must be a letter"


def _said(labels: dict[str, str], name: str) -> str:
    return f"“{name}: {labels[name]}”" if name in labels else f"no label “{name}”"


def _listed(known: Sequence[Any]) -> str:
    return ", ".join(map(str, known)) or "none"
