# One image for web, worker, beat and commands: the first argument says which (deploy/container/run).
#   docker build -t cmlmanager .
# Everything above Python is pinned by requirements.txt. Python itself is pinned as far as its minor version; for a build that is the same
# again next year, give the digest that your registry has of it, with its @:
#   docker build --build-arg PYTHON_DIGEST=@sha256:<64 hexadecimal digits> -t cmlmanager .
ARG PYTHON_VERSION=3.11
ARG PYTHON_DIGEST=

FROM python:${PYTHON_VERSION}-slim-bookworm${PYTHON_DIGEST} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY requirements.txt ./
# No compiler and no apt: every pin is a wheel or pure Python. The distributions' metadata stays, so that an SBOM scanner finds them.
RUN python3 -m venv /opt/venv && /opt/venv/bin/python -m pip install --prefer-binary -r requirements.txt
COPY manage.py ./
COPY cmlmanager cmlmanager
COPY accounts accounts
COPY workers workers
COPY labs labs
COPY templates templates
COPY static static
COPY deploy/container deploy/container
# Hashed names need the files once; the keys are thrown away with this step.
RUN SECRET_KEY=only-to-collect-static-files SECRETS_KEYS='' VAR=/tmp/var HTTPS=0 STATIC_ROOT=/srv/static \
    /opt/venv/bin/python manage.py collectstatic --noinput --verbosity 0 && rm -rf /tmp/var
RUN /opt/venv/bin/python -m compileall -q -j 0 /app && mkdir -p /data

FROM python:${PYTHON_VERSION}-slim-bookworm${PYTHON_DIGEST} AS portal
ARG VERSION=0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="CML Cloud Manager" \
      org.opencontainers.image.description="A web portal for a fleet of Cisco Modeling Labs servers on AWS" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    VAR=/data STATIC_ROOT=/srv/static LOG_JSON=1 ALIVE_FILE=/tmp/alive
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/static /srv/static
COPY --from=build /app /app
COPY --from=build --chown=10001:10001 /data /data
WORKDIR /app
# By number, so that Kubernetes can see that it is not root. Only /data (SQLite, when it is used) and /tmp are written to.
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 CMD ["sh", "/app/deploy/container/healthy"]
ENTRYPOINT ["sh", "/app/deploy/container/run"]
CMD ["web"]
