# Etholake with Java and a browser-less desk: every verb, on a machine that has an engine for containers and nothing else.
#   docker build -t etholake .                                CPU
#   docker build -t etholake --build-arg TORCH=cu126 .        CUDA: the name of PyTorch's index
# Never built where it was written: no engine was there. The base image is named by its tag only, because no registry
# was reachable either; pin its digest before you rely on it: docker buildx imagetools inspect python:3.11-slim-bookworm
FROM python:3.11-slim-bookworm

ARG TORCH=cpu
ENV PYTHONUNBUFFERED=1

RUN apt-get update \
    && apt-get install --no-install-recommends -y openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/*

# torch goes first and alone, as in the Makefile: everything else is locked.
RUN pip install --no-cache-dir --index-url "https://download.pytorch.org/whl/${TORCH}" torch==2.13.0

COPY requirements.lock /opt/etholake/
RUN pip install --no-cache-dir -r /opt/etholake/requirements.lock

COPY . /opt/etholake/
RUN pip install --no-cache-dir --no-deps -e /opt/etholake \
    && useradd --uid 1000 --create-home etholake \
    && install -d -o etholake -g etholake /data /lake

USER etholake
WORKDIR /data
ENV ETHOLAKE_S3_ROOT=/lake/s3 \
    ETHOLAKE_STATE_DIR=/lake/state
# /data: your folders and data folders; /lake: buckets, logs and states.
VOLUME ["/data", "/lake"]

HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, socket; socket.create_connection(('127.0.0.1', int(os.environ.get('HEALTH_PORT', '4566'))), 3)"]

ENTRYPOINT ["etholake"]
CMD ["--help"]
