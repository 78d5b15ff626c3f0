# syntax=docker/dockerfile:1
# Bicross on a processor: Python, the extra `serve` and the starter pair, unpacked. No torch, no compiler, no pip's cache.
#
#   docker build --tag bicross .                        runs as uid 10001; for Docker, Kubernetes and the like
#   docker build --target sagemaker --tag bicross-sm .  runs as root, which SageMaker expects, and needs no keys on its closed network
#
# docs/deployment.md says how to push and run each. `docker run IMAGE serve` serves what BICROSS_COLLECTIONS holds;
# any other words are those of the command line: `docker run IMAGE index ...`.

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/bicross
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY src ./src
RUN /opt/bicross/bin/pip install --constraint constraints.txt ".[serve]"
# The models are unpacked once, here, so that nothing is written when a container starts.
ENV BICROSS_CACHE=/opt/bicross/models
RUN /opt/bicross/bin/bicross models show encoder --json && /opt/bicross/bin/bicross models show reranker --json

FROM python:3.11-slim-bookworm AS base
LABEL org.opencontainers.image.title="Bicross" \
      org.opencontainers.image.description="Search that recalls with a bi-encoder and reranks with a cross-encoder. Chinese and English." \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/bicross /opt/bicross
ENV PATH=/opt/bicross/bin:$PATH \
    BICROSS_CACHE=/opt/bicross/models \
    HF_HUB_OFFLINE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin bicross \
    && install --directory --owner=10001 --group=10001 /data /opt/ml /opt/ml/model
WORKDIR /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# /readyz, as the platform's probes ask; the port is the one that SageMaker may have chosen.
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s --retries=3 \
    CMD ["python", "-m", "bicross.serving.container", "healthy"]
ENTRYPOINT ["python", "-m", "bicross.serving.container"]
CMD ["serve"]

FROM base AS sagemaker
# SageMaker expects root (https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html), and only its
# own front end, which has checked the caller's AWS signature, reaches the port.
ENV BICROSS_CLOSED_NETWORK=1 BICROSS_COLLECTIONS=/opt/ml/model
USER 0

FROM base AS server
USER 10001:10001
