# Two stages: the first has a compiler, so that the hot modules are compiled; the second has neither it nor pip's cache.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
RUN python -m venv /opt/sidecar
COPY pyproject.toml setup.py README.md LICENSE /src/
COPY sidecar /src/sidecar
# The wheel must come out compiled: an image that silently runs interpreted would be five times slower.
RUN /opt/sidecar/bin/pip install --no-cache-dir '/src[otel]' \
    && /opt/sidecar/bin/python -c "from sidecar.app.banner import is_compiled; assert is_compiled()" \
    && /opt/sidecar/bin/pip uninstall --yes pip setuptools

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="sidecar" \
      org.opencontainers.image.description="A reverse proxy that makes any backend resilient" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/sidecar /opt/sidecar
COPY config/sidecar.yaml /etc/sidecar/sidecar.yaml
ENV PATH=/opt/sidecar/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# A number, so that Kubernetes' runAsNonRoot can be checked without reading the image's passwd.
USER 65532:65532
EXPOSE 8080 9901
# SIGTERM starts the drain; give the container longer than the drain deadline to stop (docker run --stop-timeout 30).
STOPSIGNAL SIGTERM
# The admin address may be another one, as SIDECAR_ADMIN says; liveness never depends on a backend.
HEALTHCHECK --interval=10s --timeout=2s --start-period=5s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; a = os.environ.get('SIDECAR_ADMIN', '127.0.0.1:9901'); r.urlopen('http://127.0.0.1:' + a.rpartition(':')[2] + '/livez', timeout=1)"]
ENTRYPOINT ["sidecar"]
CMD ["run", "-c", "/etc/sidecar/sidecar.yaml"]
