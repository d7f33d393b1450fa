# syntax=docker/dockerfile:1
# One image for every role: `docker run loopin-analytics run stream`, `... run api`, `... migrate`.

FROM python:3.12-slim AS builder
WORKDIR /src
RUN python -m venv --without-pip /opt/loopin
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/runtime.txt requirements/
# The lock file is one for all roles: the embedded engine (chdb) comes with it, though a ClickHouse server
# makes it idle. Everything in it is a wheel, so no compiler is needed.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/loopin/bin/python install --only-binary :all: --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas/ schemas/
COPY producers/ producers/
COPY streams/ streams/
COPY sinks/ sinks/
COPY api/ api/
COPY deploy/ deploy/
RUN pip --python /opt/loopin/bin/python install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
LABEL org.opencontainers.image.title="loopin-analytics" \
      org.opencontainers.image.description="Event analytics on Kafka and ClickHouse" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 loopin \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/loopin --shell /usr/sbin/nologin loopin \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/loopin
COPY --from=builder /opt/loopin /opt/loopin
COPY deploy/compose/healthcheck.py /opt/loopin/healthcheck.py
ENV PATH="/opt/loopin/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LOOPIN_DATA_DIR=/var/lib/loopin
WORKDIR /var/lib/loopin
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 8000 8001
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 \
    CMD ["python", "/opt/loopin/healthcheck.py", "/readyz"]
ENTRYPOINT ["loopin"]
CMD ["--help"]
