# Armillary as an image: what a worker runs, and what `prefect deploy` is run from.
#
#     docker build --tag armillary:0.1.0 .
#
# No secret is in it, and none is needed to build it: tokens live in blocks on the Prefect server,
# the rest comes as environment (docs/guides/deploy.md). It writes below /tmp alone, so that its root
# may be read-only: --read-only --tmpfs /tmp

FROM python:3.11.14-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/armillary

# First, because it seldom changes. The lock is whole, so nothing is resolved (--no-deps).
COPY deploy/requirements.lock /build/
RUN /opt/armillary/bin/python -m pip install --no-cache-dir --no-deps --require-hashes \
        --requirement /build/requirements.lock

COPY pyproject.toml README.md LICENSE /build/
COPY armillary /build/armillary
COPY blocks /build/blocks
COPY tasks /build/tasks
COPY flows /build/flows
COPY cli /build/cli
COPY simulator /build/simulator
# The check proves that the lock lacks nothing. What only installs is not needed any more.
RUN /opt/armillary/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --no-index \
        /build \
    && /opt/armillary/bin/python -m pip check \
    && /opt/armillary/bin/python -m pip uninstall --yes setuptools pip


FROM python:3.11.14-slim-bookworm

RUN groupadd --gid 10001 armillary \
    && useradd --uid 10001 --gid armillary --no-create-home --home-dir /tmp --shell /usr/sbin/nologin \
        armillary

COPY --from=build /opt/armillary /opt/armillary
# To deploy this very version from the image.
COPY prefect.yaml automations.yaml /srv/armillary/

# Bytecode is in the image already, and its place may be read-only.
ENV PATH=/opt/armillary/bin:$PATH \
    HOME=/tmp \
    PREFECT_HOME=/tmp/prefect \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

WORKDIR /srv/armillary
USER 10001:10001

# A worker for the pool of prefect.yaml, which runs flows as processes of its own container. A Docker
# worker starts this image with a command of its own.
CMD ["prefect", "worker", "start", "--pool", "default", "--type", "process"]
