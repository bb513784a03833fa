"""Compiles the hot modules from their plain Python sources, where there is a C compiler.

All or none: a compiled module relies on the typed attributes of the others. SIDECAR_PURE=1 skips the step, and a
machine without a compiler installs the same sources, which then run interpreted (slower; start-up says so).

For fuzzing (docs/fuzzing.md): SIDECAR_SANITIZE=address,undefined,fuzzer-no-link hands these to clang, and bounds are
checked; SIDECAR_COMPILE=sidecar.wire,sidecar.runtime.paths takes these modules and packages alone, which may rely on
the types of no others.
"""

import os
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# Each has a `.pxd` beside it that types its attributes and methods.
COMPILED: tuple[str, ...] = (
    "sidecar.model.connections",
    "sidecar.model.observer",
    "sidecar.model.record",
    "sidecar.exchange.blame",
    "sidecar.exchange.decision",
    "sidecar.exchange.ledger",
    "sidecar.exchange.standing",
    "sidecar.policies.adaptive_concurrency",
    "sidecar.policies.backoff",
    "sidecar.policies.bulkhead",
    "sidecar.policies.circuit",
    "sidecar.policies.circuit_breaker",
    "sidecar.policies.contract",
    "sidecar.policies.ejection",
    "sidecar.policies.fallback",
    "sidecar.policies.fault",
    "sidecar.policies.gcra",
    "sidecar.policies.key_table",
    "sidecar.policies.rate_limit",
    "sidecar.policies.retry",
    "sidecar.policies.retry_budget",
    "sidecar.policies.selection",
    "sidecar.policies.shared_breaker",
    "sidecar.policies.shared_bulkhead",
    "sidecar.policies.shared_circuit",
    "sidecar.policies.shared_places",
    "sidecar.policies.shared_rate_limit",
    "sidecar.policies.shared_table",
    "sidecar.policies.shared_window",
    "sidecar.policies.slow_start",
    "sidecar.policies.window",
    "sidecar.proxy.body_buffer",
    "sidecar.proxy.conduit",
    "sidecar.proxy.corridor",
    "sidecar.proxy.dispatch",
    "sidecar.proxy.ending",
    "sidecar.proxy.environment",
    "sidecar.proxy.head_edits",
    "sidecar.proxy.heads",
    "sidecar.proxy.relay",
    "sidecar.runtime.endpoint",
    "sidecar.runtime.matching",
    "sidecar.runtime.paths",
    "sidecar.runtime.request_key",
    "sidecar.runtime.route",
    "sidecar.runtime.routing",
    "sidecar.runtime.upstream",
    "sidecar.telemetry.listener_stats",
    "sidecar.telemetry.log",
    "sidecar.telemetry.stats",
    "sidecar.tls.session",
    "sidecar.transport.announcing",
    "sidecar.transport.byte_connection",
    "sidecar.transport.departure",
    "sidecar.transport.direct",
    "sidecar.transport.downstream",
    "sidecar.transport.downstream_ends",
    "sidecar.transport.entrance",
    "sidecar.transport.flow",
    "sidecar.transport.intake",
    "sidecar.transport.keepalive",
    "sidecar.transport.patience",
    "sidecar.transport.pool",
    "sidecar.transport.raw_upstream",
    "sidecar.transport.registry",
    "sidecar.transport.secure",
    "sidecar.transport.secure_transport",
    "sidecar.transport.sending",
    "sidecar.transport.service",
    "sidecar.transport.stream",
    "sidecar.transport.upstream",
    "sidecar.transport.wheel",
    "sidecar.wire.authority",
    "sidecar.wire.body",
    "sidecar.wire.chunked",
    "sidecar.wire.fieldscan",
    "sidecar.wire.forwarding",
    "sidecar.wire.framing",
    "sidecar.wire.head",
    "sidecar.wire.message",
    "sidecar.wire.origin",
    "sidecar.wire.runs",
    "sidecar.wire.trace_context",
    "sidecar.wire.websocket",
    "sidecar.wire.writer",
)


class OptionalBuild(build_ext):
    """Builds every module or leaves none behind."""

    extensions: list[Extension]

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:  # noqa: BLE001 - whatever stops the compiler, the sources still run
            self.warn(f"sidecar runs interpreted: the hot modules could not be compiled ({error})")
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.extensions = []


def _is_wanted(name: str) -> bool:
    chosen = os.environ.get("SIDECAR_COMPILE", "")
    return not chosen or any(name == one or name.startswith(f"{one}.") for one in chosen.split(","))


def _extensions() -> list[Extension]:
    if os.environ.get("SIDECAR_PURE") or not COMPILED:
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    sanitizers = os.environ.get("SIDECAR_SANITIZE", "")
    flags = ["-O2"]
    if sanitizers:
        # One that only reports would let a run pass; -O1 is what a stack trace can still be read with.
        flags = ["-O1", "-g1", "-fno-omit-frame-pointer", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
    modules = [
        Extension(name, [name.replace(".", "/") + ".py"], extra_compile_args=flags, extra_link_args=flags[3:])
        for name in COMPILED
        if _is_wanted(name)
    ]
    directives = {
        "language_level": "3",
        "boundscheck": bool(sanitizers or os.environ.get("SIDECAR_BOUNDS_CHECK")),
        "wraparound": False,
        "initializedcheck": False,
        "annotation_typing": False,  # the `.pxd` files type what is to be typed; annotations are mypy's
    }
    return list(cythonize(modules, compiler_directives=directives, build_dir="build/cython", quiet=True))


setup(ext_modules=_extensions(), cmdclass={"build_ext": OptionalBuild})
