# The server with all its dependencies. Build: docker build -t gphoto-ws-server .
# The image of a tag can change. To keep the same image, give its digest: --build-arg BASE_IMAGE=python@sha256:... (deploy/README.md).
ARG BASE_IMAGE=python:3.13-slim-bookworm
FROM ${BASE_IMAGE}

# libturbojpeg rotates pictures without loss; without it Pillow rotates them.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libturbojpeg0=1:2.1.* \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1000 booth \
    && useradd --uid 1000 --gid booth --no-create-home --home-dir /nonexistent booth \
    && mkdir -p /app/photos \
    && chown booth:booth /app/photos

WORKDIR /app
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements.lock
COPY gphoto_ws_server.py auth.py background.py certificate.py handover.py healthcheck.py isolation.py machine_names.py system_clock.py tls.py webhook.py LICENSE .env.example ./
COPY camera camera/
COPY doctor doctor/
COPY protocol protocol/
COPY server server/
COPY service service/
COPY settings settings/
COPY simulator simulator/
COPY store store/

ENV WS_HOST=0.0.0.0 \
    WS_PORT=8080 \
    PHOTO_DIR=/app/photos \
    STATE_DIR=/app/photos/.state \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 1000:1000
EXPOSE 8080
VOLUME /app/photos
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "healthcheck.py"]
ENTRYPOINT ["python", "gphoto_ws_server.py"]
