"""The Pod Security Standard "restricted", as the admission of a cluster would apply it to a pod's spec.

Owns the standard's rules, those of "baseline" that it takes over included, with the latest version's (1.34) ban on
probes of other hosts. Knows Linux pods only. Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Fields = Mapping[str, Any]
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_SECCOMP = ("RuntimeDefault", "Localhost")
_APPARMOR = (None, "RuntimeDefault", "Localhost")
_SELINUX = (None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}


def _of(fields: Fields, *path: str) -> Any:
    found: Any = fields
    for key in path:
        found = (found or {}).get(key)
    return found


def _added(container: Fields) -> set[str]:
    return set(_of(container, "securityContext", "capabilities", "add") or ())


def _asked_hosts(container: Fields) -> Iterator[Fields]:
    """Every place of a container where the kubelet could be told to ask somebody else."""
    lifecycle = container.get("lifecycle") or {}
    for asking in (*(container.get(probe) for probe in _PROBES), lifecycle.get("preStop"), lifecycle.get("postStart")):
        for kind in ("httpGet", "tcpSocket"):
            yield _of(asking or {}, kind) or {}


# What each asks of the pod's own fields.
_POD: dict[str, Callable[[Fields], bool]] = {
    "host namespaces": lambda pod: not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
    "volume types": lambda pod: all(set(one) - {"name"} <= _VOLUMES for one in pod.get("volumes") or ()),
    "sysctls": lambda pod: {one["name"] for one in _of(pod, "securityContext", "sysctls") or ()} <= _SYSCTLS,
}
# What each asks of a security context, be it the pod's or a container's.
_CONTEXT: dict[str, Callable[[Fields], bool]] = {
    "host process": lambda context: not _of(context, "windowsOptions", "hostProcess"),
    "AppArmor": lambda context: _of(context, "appArmorProfile", "type") in _APPARMOR,
    "SELinux": lambda context: (
        _of(context, "seLinuxOptions", "type") in _SELINUX
        and not _of(context, "seLinuxOptions", "user")
        and not _of(context, "seLinuxOptions", "role")
    ),
    "running as root": lambda context: context.get("runAsUser") != 0,
    "seccomp": lambda context: _of(context, "seccompProfile", "type") in (None, *_SECCOMP),
}
# What each asks of a container.
_CONTAINER: dict[str, Callable[[Fields], bool]] = {
    "privileged": lambda one: not _of(one, "securityContext", "privileged"),
    "privilege escalation": lambda one: _of(one, "securityContext", "allowPrivilegeEscalation") is False,
    "capabilities": lambda one: (
        "ALL" in (_of(one, "securityContext", "capabilities", "drop") or ()) and _added(one) <= {"NET_BIND_SERVICE"}
    ),
    "host ports": lambda one: not any(port.get("hostPort") for port in one.get("ports") or ()),
    "proc mount": lambda one: _of(one, "securityContext", "procMount") in (None, "Default"),
    "probes of other hosts": lambda one: not any(asked.get("host") for asked in _asked_hosts(one)),
}


def violations(pod: Fields) -> list[str]:
    """What of a pod's spec the standard forbids, each as `where: what`; nothing where the pod would be let in."""
    own = pod.get("securityContext") or {}
    found = [f"pod: {what}" for what, holds in _POD.items() if not holds(pod)]
    found += [f"pod: {what}" for what, holds in _CONTEXT.items() if not holds(own)]
    for container in (*(pod.get("initContainers") or ()), *pod["containers"], *(pod.get("ephemeralContainers") or ())):
        name, context = container["name"], container.get("securityContext") or {}
        found += [f"{name}: {what}" for what, holds in _CONTAINER.items() if not holds(container)]
        found += [f"{name}: {what}" for what, holds in _CONTEXT.items() if not holds(context)]
        # A container's own word goes before the pod's.
        if context.get("runAsNonRoot", own.get("runAsNonRoot")) is not True:
            found.append(f"{name}: running as non-root is not demanded")
        if _of(context, "seccompProfile", "type") is None and _of(own, "seccompProfile", "type") is None:
            found.append(f"{name}: no seccomp profile")
    return found
