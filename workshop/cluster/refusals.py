"""What the cluster's rules say when they refuse an object, in plain words.

The same sentences come back from an apply and in a ReplicaSet's condition, when it may not make its pods.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """Why something was refused.

    Attributes:
        cause: which rule, in a word or two.
        why: the rule's sentence in plain words.
        next: what to do.
    """

    cause: str
    why: str
    next: str


def read(message: str) -> Refusal | None:
    """Recognise the rule behind a refusal; None where its sentence is none that we know."""
    for pattern, explain in _RULES:
        if found := re.search(pattern, message, re.DOTALL):
            return explain(found)
    return None


def _quota(found: re.Match[str]) -> Refusal:
    name, requested, used, limited = (part.strip() for part in found.groups())
    asked, taken, allowed = _amounts(requested), _amounts(used), _amounts(limited)
    lines = [
        f"{what}: asks for {amount}, {taken.get(what, '?')} of {allowed.get(what, '?')} are taken"
        for what, amount in asked.items()
    ]
    return Refusal(
        "quota",
        f"The namespace's quota “{name}” has no room for it: {'; '.join(lines)}.",
        f"Free some (`shop.scale(NAME, 1)`), ask for less under `resources`, or have the quota raised: "
        f"`kubectl describe resourcequota {name}` shows it. A rolling update needs room for one pod more "
        f"than `replicas`.",
    )


def _quota_wants_numbers(found: re.Match[str]) -> Refusal:
    return Refusal(
        "quota",
        f"The namespace's quota “{found[1].strip()}” counts what every container asks for, and here this is "
        f"not said: {found[2].strip()}.",
        "Write those fields under `resources` of the containers that are named, and apply again.",
    )


def _limit_range(found: re.Match[str]) -> Refusal:
    return Refusal(
        "limit range",
        f"The namespace's LimitRange allows no such size: {found[0].strip(' []')}.",
        "Change `resources` in the manifest to what it allows (`kubectl describe limitrange`), and apply "
        "again.",
    )


def _pod_security(found: re.Match[str]) -> Refusal:
    level = found[1].partition(":")[0]
    lines = [f"  - {_control(part)}" for part in _split(found[2])]
    return Refusal(
        "Pod Security",
        f"The namespace enforces the Pod Security level “{level}”, and the pod breaks it:\n"
        + "\n".join(lines),
        "Set those fields in the Deployment's pod template, as kubernetes/base does, and apply again. The "
        "level is the namespace's label pod-security.kubernetes.io/enforce.",
    )


def _policy(found: re.Match[str]) -> Refusal:
    name, binding, said = found[1], found[2], found[3].strip()
    return Refusal(
        "policy",
        f"The cluster's ValidatingAdmissionPolicy “{name}” (binding “{binding}”) forbids it. It says: {said}",
        "Change the manifest so that the policy's sentence holds, and apply again. "
        f"`kubectl get validatingadmissionpolicy {name} -o yaml` shows the rule.",
    )


def _webhook(found: re.Match[str]) -> Refusal:
    said = found[2].strip(" :\n")
    return Refusal(
        "webhook",
        f"The admission webhook “{found[1]}”, a program that checks objects for this cluster, forbids it. "
        + (f"It says: {said}" if said else "It gives no reason."),
        "Change the manifest so that its sentence holds, and apply again; who runs the cluster knows the "
        "rule.",
    )


def _webhook_gone(found: re.Match[str]) -> Refusal:
    return Refusal(
        "webhook gone",
        f"The cluster asks the admission webhook “{found[1]}” about such objects, and it does not answer: "
        f"{found[2].strip()}",
        "Nothing is wrong with the manifest. Who runs the cluster has to bring the webhook back, or to "
        "remove it (`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`).",
    )


def _service_account(found: re.Match[str]) -> Refusal:
    name = found[1]
    return Refusal(
        "ServiceAccount",
        f"Its pods shall run as the ServiceAccount “{name}”, and the namespace has none of that name.",
        f"Apply the ServiceAccount too (it is in the component's file), or mend `serviceAccountName`. "
        f"`kubectl create serviceaccount {name}` makes one.",
    )


def _priority_class(found: re.Match[str]) -> Refusal:
    return Refusal(
        "PriorityClass",
        f"The cluster has no PriorityClass “{found[1]}”, which the pod names.",
        "Mend or leave out `priorityClassName`; `kubectl get priorityclass` lists them.",
    )


def _runtime_class(found: re.Match[str]) -> Refusal:
    return Refusal(
        "RuntimeClass",
        f"The cluster has no RuntimeClass “{found[1]}”, which the pod names.",
        "Mend or leave out `runtimeClassName`; `kubectl get runtimeclass` lists them.",
    )


def _ending(found: re.Match[str]) -> Refusal:
    return Refusal(
        "namespace ends",
        f"The namespace “{found[1]}” is being removed; nothing new is accepted in it.",
        "Wait until it is gone (`kubectl get namespace -w`), then apply again.",
    )


def _no_namespace(found: re.Match[str]) -> Refusal:
    return Refusal(
        "no namespace",
        f"There is no namespace “{found[1]}”.",
        f"Apply its Namespace first, as our overlays do, or make one: `kubectl create namespace {found[1]}`.",
    )


def _rights(found: re.Match[str]) -> Refusal:
    user, verb, resource, group, where = found.groups()
    resource, _, subresource = resource.partition("/")
    kind = f"{resource}.{group}" if group else resource
    what = f"{subresource} of {kind}" if subresource else kind
    asked = f"{verb} {kind}" + (f" --subresource={subresource}" if subresource else "")
    place = where.strip().replace('"', "")
    return Refusal(
        "rights",
        f"“{user}” has no right to {verb} {what} {place}".rstrip() + ".",
        "Ask who runs the cluster for a Role with that right, or use a context that has it. "
        f"`kubectl auth can-i {asked}` tells.",
    )


# In the words of Kubernetes; the first that fits counts.
_RULES: tuple[tuple[str, Callable[[re.Match[str]], Refusal]], ...] = (
    (r"exceeded quota: ([^,]+), requested: (.+?), used: (.+?), limited: (.+)", _quota),
    (r"failed quota: ([^:]+): (must specify .+)", _quota_wants_numbers),
    (r'violates PodSecurity "([^"]+)": (.+)', _pod_security),
    (r"ValidatingAdmissionPolicy '([^']+)' with binding '([^']+)' denied request: (.+)", _policy),
    (r'admission webhook "([^"]+)" denied the request(.*)', _webhook),
    (r'failed calling webhook "([^"]+)": (.+)', _webhook_gone),
    (r'error looking up service account \S+: serviceaccount "([^"]+)" not found', _service_account),
    (r"service account \S+/(\S+) was not found, retry", _service_account),
    (r"no PriorityClass with name (\S+) was found", _priority_class),
    (r'RuntimeClass "([^"]+)" not found', _runtime_class),
    (r"unable to create new content in namespace (\S+) because it is being terminated", _ending),
    (r'namespaces "([^"]+)" not found', _no_namespace),
    (
        r'User "([^"]+)" cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(.*)',
        _rights,
    ),
    (
        r"(?:\[?(?:minimum|maximum) (?:memory|cpu|storage|ephemeral-storage) usage per \w+ is |"
        r"\[?\S+ max limit to request ratio per ).+",
        _limit_range,
    ),
)


def _amounts(text: str) -> dict[str, str]:
    """`limits.memory=1Gi,pods=2` as a dict."""
    return dict(re.findall(r"([^,=\s]+)=([^,\s]+)", text))


def _split(text: str) -> list[str]:
    """At the commas that are not inside of brackets."""
    parts, depth, start = [], 0, 0
    for position, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        if sign == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


def _control(part: str) -> str:
    """One breach of Pod Security: what the pod may do that it must not, then the field."""
    name, _, detail = part.partition(" (")
    detail = detail.removesuffix(")").replace('"', "")
    meaning = next((words for start, words in _CONTROLS.items() if name.startswith(start)), "")
    field = f"{name}: {detail}" if detail else name
    return f"{meaning} ({field})" if meaning else field


# What each control of the Pod Security Standards is about, by the beginning of its name in the message.
_CONTROLS = {
    "allowPrivilegeEscalation": "its program could gain more rights than it was started with",
    "unrestricted capabilities": "it keeps privileges of the kernel that it does not need",
    "non-default capabilities": "it adds privileges of the kernel",
    "runAsNonRoot": "nothing keeps it from running as root",
    "runAsUser=0": "it runs as root",
    "seccompProfile": "no seccomp profile limits its system calls",
    "restricted volume types": "it mounts a kind of volume that reaches outside of the pod",
    "hostPath volumes": "it mounts a folder of the node",
    "hostPort": "it takes a port of the node",
    "host namespaces": "it shares the node's network, processes or memory",
    "privileged": "it runs with all rights of the node",
    "hostProcess": "it runs as a process of the node",
    "procMount": "it sees more of /proc than it should",
    "/proc mount type": "it sees more of /proc than it should",
    "forbidden sysctls": "it changes settings of the node's kernel",
    "seLinuxOptions": "it changes its SELinux label",
    "forbidden AppArmor profile": "it changes its AppArmor profile",
    "probe or lifecycle host": "a probe of it asks another host",
}
