# Every verb works on a fresh machine with Python 3.11 or newer, with or without a C compiler and without .git.
# make run UPSTREAM=http://127.0.0.1:3000 fronts a backend of your own; without it, a demo backend is fronted.

SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
UPSTREAM ?=
LISTEN ?= :8080
ADMIN ?= 127.0.0.1:9901
IMAGE ?= sidecar:latest
IMAGE_ARGS ?=
BUILDER ?=
PYTEST_ARGS ?=
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

# The first interpreter that is new enough; the check says so when there is none.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)

# A hot module is one with a .pxd beside it: its compiled form is stale when either changes.
HOT := $(wildcard sidecar/*/*.pxd)
HOT_SOURCES := $(HOT) $(HOT:.pxd=.py)
CODE := sidecar tests benchmarks deploy/binary deploy/image setup.py

.DEFAULT_GOAL := help
.PHONY: help run test test-shipped check fmt build bench image binary deep screenshots clean \
	conformance fuzz differential soak overload connections slow-clients audit

help:
	@echo 'make run [UPSTREAM=http://host:port]  proxy on $(LISTEN), admin on $(ADMIN) (LISTEN=, ADMIN=)'
	@echo 'make test | deep                      the suite | the suite with long property tests'
	@echo 'make check | fmt                      format, lint, types, architecture | format and fix'
	@echo 'make build | bench | clean            compile hot modules | benchmark | tidy up'
	@echo 'make image | binary                   the container image | the executable for machines without Python'
	@echo 'make test-shipped                     build both and prove them, compose too (root, Debian; minutes)'
	@echo 'make conformance [TARGET=nginx]       the duties of an HTTP intermediary, shown by us or by another proxy'
	@echo 'make fuzz [MINUTES=2] [TARGET=]       feed hostile bytes to every parser, guided by what they reach'
	@echo 'make differential [MINUTES=2]         what we forward, and how h11 and real proxies read it'
	@echo 'make soak [MINUTES=30] | overload     hours in minutes, and too much load, measured and drawn'
	@echo 'make connections | slow-clients       ten thousand idle ones beside a load, and slow ones on purpose'
	@echo 'make audit                            known holes in what we depend on, and careless code in what we wrote'
	@echo 'make screenshots                      take the pictures of docs/images anew'

$(VENV)/.made: pyproject.toml
	@echo 'making $(VENV)' >&2
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed: https://www.python.org/downloads/' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check 'setuptools>=77' 'Cython>=3.1,<4'
	@SIDECAR_PURE=1 $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e .
	@touch $@

# Without a compiler this succeeds too, and the sources run interpreted.
$(VENV)/.built: $(VENV)/.made setup.py $(HOT_SOURCES)
	@echo 'compiling the hot modules (once; a minute or two)' >&2
	@$(BIN)/python setup.py -q build_ext --inplace --parallel $(JOBS)
	@touch $@

$(VENV)/.tests: $(VENV)/.made
	@SIDECAR_PURE=1 $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[test]'
	@touch $@

$(VENV)/.checks: $(VENV)/.tests
	@SIDECAR_PURE=1 $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[test,check]'
	@touch $@

# Where atheris has no wheel for this Python, fuzzing falls back to mutations without guidance, and says so.
$(VENV)/.fuzz: $(VENV)/.tests
	@SIDECAR_PURE=1 $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[test,fuzz]' \
		|| echo 'no atheris for this Python'
	@touch $@

$(VENV)/.audit: $(VENV)/.tests
	@SIDECAR_PURE=1 $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[audit]'
	@touch $@

$(VENV)/.ship: $(VENV)/.tests
	@SIDECAR_PURE=1 $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[test,ship]'
	@touch $@

run: $(VENV)/.built
ifeq ($(UPSTREAM),)
	@exec $(BIN)/sidecar demo --listen $(LISTEN) --admin $(ADMIN)
else
	@exec $(BIN)/sidecar run --upstream $(UPSTREAM) --listen $(LISTEN) --admin $(ADMIN)
endif

test: $(VENV)/.tests $(VENV)/.built
	@$(BIN)/python -m pytest -q $(PYTEST_ARGS)

deep: $(VENV)/.tests $(VENV)/.built
	@SIDECAR_DEEP=1 $(BIN)/python -m pytest -q $(PYTEST_ARGS)

# What is shipped, built and run for real. Containers are run where podman can: elsewhere those tests skip, and say so.
test-shipped: $(VENV)/.ship $(VENV)/.built
	@SIDECAR_SHIPPED=1 $(BIN)/python -m pytest -q tests/shipped $(PYTEST_ARGS)

# The pictures in docs/images: of a real outage, which lasts a minute, and of a drill.
screenshots: $(VENV)/.tests
	@SIDECAR_SCREENSHOTS=1 $(BIN)/python -m pytest -q tests/integration/test_dashboard.py tests/drill/test_page_seen.py -k picture

check: $(VENV)/.checks
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(BIN)/bandit -q -r sidecar -c pyproject.toml
	@$(BIN)/python -m pytest -q tests/architecture

fmt: $(VENV)/.checks
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

build: $(VENV)/.built
	@$(BIN)/python -c 'from sidecar.app.banner import compiled_line; print(compiled_line())'

bench: $(VENV)/.built
	@SIDECAR_PURE=1 $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[bench]' \
		|| echo 'no Envoy to compare with'
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

# TARGET: sidecar, nginx, haproxy, envoy or caddy; those other than ours must be installed.
conformance: $(VENV)/.tests $(VENV)/.built
	@$(BIN)/python -m tests.conformance $(or $(TARGET),sidecar)

fuzz: $(VENV)/.fuzz $(VENV)/.built
	@$(BIN)/python -m tests.fuzz --minutes $(or $(MINUTES),2) $(if $(TARGET),--target $(TARGET))

# The same heads to us, to h11 and to nginx, HAProxy, Envoy and Caddy, those that are installed.
differential: $(VENV)/.tests $(VENV)/.built
	@$(BIN)/python -m tests.differential --minutes $(or $(MINUTES),2)

soak: $(VENV)/.tests $(VENV)/.built
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30)

connections: $(VENV)/.tests $(VENV)/.built
	@$(BIN)/python -m benchmarks.connections

slow-clients: $(VENV)/.tests $(VENV)/.built
	@$(BIN)/python -m benchmarks.slow_clients

overload: $(VENV)/.built
	@SIDECAR_PURE=1 $(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[bench]' \
		|| echo 'no Envoy to compare with'
	@$(BIN)/python -m benchmarks.overload $(OVERLOAD_ARGS)

# What the product needs to run, spans included, and what that needs; of what cannot be looked up it says so, and fails.
RUN_TIME := 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	print(*p["dependencies"], *p["optional-dependencies"]["otel"], sep="\n")'
audit: $(VENV)/.audit
	@$(BIN)/bandit -q -r sidecar -c pyproject.toml
	@$(BIN)/python -c $(RUN_TIME) >$(VENV)/run-time.txt
	@$(BIN)/pip-audit --strict --progress-spinner off --desc off -r $(VENV)/run-time.txt

# BUILDER chooses one of docker, podman and buildah, IMAGE_ARGS are for it: --build-arg BASE_IMAGE=…, --platform …
image:
	@BUILDER='$(BUILDER)' deploy/image/build.sh '$(IMAGE)' $(IMAGE_ARGS)

# From a venv of its own: what is in the file does not depend on what else is installed. Of an interpreter whose library
# can be taken along, which is not every one; build.py says so when there is none.
FROZEN := build/binary/venv
HAS_LIBRARY := 'import ctypes, sys, sysconfig as s; ctypes.CDLL(s.get_config_var("INSTSONAME")); sys.exit(sys.version_info < (3, 11))'
$(FROZEN)/.made: pyproject.toml
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed: https://www.python.org/downloads/' >&2; exit 1; }
	@test -x $(FROZEN)/bin/python || { for python in $(PYTHON) python3.14 python3.13 python3.12 python3.11 \
		/usr/local/bin/python3 /usr/bin/python3; do \
		$$python -c $(HAS_LIBRARY) 2>/dev/null && break; python=$(PYTHON); done; $$python -m venv $(FROZEN); }
	@$(FROZEN)/bin/python -m pip install -q --disable-pip-version-check \
		'setuptools>=77' 'Cython>=3.1,<4' 'pyinstaller>=6.22.2,<7'
	@SIDECAR_PURE=1 $(FROZEN)/bin/python -m pip install -q --disable-pip-version-check --no-build-isolation -e '.[otel]'
	@touch $@

dist/sidecar: $(FROZEN)/.made setup.py $(wildcard deploy/binary/* sidecar/*.py sidecar/*/*.py sidecar/*/*.pxd \
		sidecar/admin/dashboard/* sidecar/drill/*.css sidecar/drill/*.svg sidecar/drill/scenarios/*)
	@echo 'making $@ (a minute, and another one where the hot modules are to be compiled)' >&2
	@$(FROZEN)/bin/python deploy/binary/build.py build/binary $@

binary: dist/sidecar

clean:
	@find sidecar -name '*.so' -delete
	@find sidecar -name '*.c' -delete
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis benchmarks/out $(VENV)/.built
