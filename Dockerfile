# The first stage has a compiler and pip, and assembles a root file system; the image is that and nothing else: no shell,
# no package manager. Any Debian with Python 3.11 or newer will do as BASE_IMAGE.
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
RUN apt-get -o Acquire::Retries=5 update \
    && DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=5 install --yes --no-install-recommends \
        ca-certificates gcc libc6-dev python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# What is not ours is a layer of its own: a change of ours is compiled without asking for it again.
COPY pyproject.toml ./
# The secret is for those whose packages come from an index of their own. What draws source code and Markdown in a
# terminal comes with rich, is the largest of all and never used here.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python3 -m venv /opt/tools \
    && python3 -m venv --without-pip /opt/sidecar \
    && python3 -c 'import tomllib; told = tomllib.load(open("pyproject.toml", "rb")); ours = told["project"]; \
print(*told["build-system"]["requires"], sep="\n", file=open("/opt/builds.txt", "w")); \
print(*ours["dependencies"], *ours["optional-dependencies"]["otel"], sep="\n", file=open("/opt/runs.txt", "w"))' \
    && /opt/tools/bin/pip install --no-cache-dir 'cyclonedx-python-lib>=11,<12' --requirement /opt/builds.txt \
    && /opt/tools/bin/pip --python /opt/sidecar/bin/python install --no-cache-dir --no-compile --requirement /opt/runs.txt \
    && /opt/tools/bin/pip --python /opt/sidecar/bin/python uninstall --yes pygments markdown-it-py mdurl
COPY setup.py README.md LICENSE ./
COPY sidecar sidecar
RUN printf '[build_ext]\nparallel = %s\n' "$(nproc)" >/opt/parallel.cfg \
    && DIST_EXTRA_CONFIG=/opt/parallel.cfg CFLAGS=-g0 /opt/tools/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps \
        -w /opt/wheel . \
    && /opt/tools/bin/pip --python /opt/sidecar/bin/python install --no-cache-dir --no-compile --no-deps /opt/wheel/*.whl
WORKDIR /
# An image that silently ran interpreted would be five times slower.
RUN /opt/sidecar/bin/python -c 'from sidecar.app.banner import is_compiled; assert is_compiled()'
COPY deploy/image/root.sh deploy/image/sbom.py /opt/image/
ARG SOURCE_DATE_EPOCH
RUN /opt/image/root.sh /rootfs \
    && mkdir -p /rootfs/usr/share/sidecar \
    && /opt/tools/bin/python /opt/image/sbom.py /rootfs >/rootfs/usr/share/sidecar/sbom.cdx.json
COPY config/sidecar.yaml /rootfs/etc/sidecar/sidecar.yaml
# A checkout made with umask 002 lets its group write, and some platforms run everything with group 0.
RUN chmod --recursive go-w /rootfs/etc/sidecar

FROM scratch
ARG VERSION
LABEL org.opencontainers.image.title="sidecar" \
      org.opencontainers.image.description="A reverse proxy that makes any backend resilient" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /rootfs /
ENV PATH=/opt/sidecar/bin:/usr/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# A number, so that Kubernetes' runAsNonRoot can be checked without reading the image's passwd.
USER 65532:65532
EXPOSE 8080 9901
# SIGTERM starts the drain; give the container longer than the drain deadline to stop (docker run --stop-timeout 30).
STOPSIGNAL SIGTERM
# Liveness: it never depends on a backend. SIDECAR_ADMIN is heard where the admin address is another one.
HEALTHCHECK --interval=10s --timeout=2s --start-period=5s --retries=3 CMD ["sidecar", "probe"]
ENTRYPOINT ["sidecar"]
CMD ["run", "-c", "/etc/sidecar/sidecar.yaml"]
