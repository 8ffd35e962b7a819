# A release names both by digest: --build-arg IMAGE=python:3.12-slim@sha256:… as .github/workflows/ci.yml does. None is committed here,
# because none could be looked up and tried where this was written.
ARG BUILD_IMAGE=python:3.12
ARG IMAGE=python:3.12-slim

# Not the slim image: it has no C compiler for watcher/messages/serializations/_bson_json.c.
FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY LICENSE README.md pyproject.toml hatch_build.py ./
COPY watcher watcher
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${IMAGE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --home-dir /var/lib/database-watcher watcher

COPY requirements.lock /tmp/
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/requirements.lock
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-deps /wheels/*.whl

# The deployment directory: conf.d is mounted into it, run/ and log/ are made beside conf.d and stay in the volume.
USER watcher
WORKDIR /var/lib/database-watcher
VOLUME /var/lib/database-watcher

HEALTHCHECK --interval=10s --timeout=10s --start-period=60s CMD ["watcherctl", "health"]

# supervisord is not made to be process 1: tini reaps what is left over and passes signals on.
ENTRYPOINT ["tini", "--", "watcherctl"]
CMD ["run"]
