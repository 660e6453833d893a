# docker build . -f docker/marketplace.Dockerfile -t marketplace
ARG PYTHON_IMAGE=python:3.13-slim

# The same steps as in the other Dockerfile, so the two images share this stage.
FROM ${PYTHON_IMAGE} AS stubs
LABEL microservices-workshop="image"
WORKDIR /stubs
COPY protobufs/requirements.txt .
RUN pip install --no-cache-dir --root-user-action=ignore -r requirements.txt
COPY protobufs/recommendations.proto .
RUN python -m grpc_tools.protoc -I . --python_out=. --grpc_python_out=. recommendations.proto

FROM ${PYTHON_IMAGE} AS packages
LABEL microservices-workshop="image"
WORKDIR /packages
COPY services/marketplace/requirements.txt .
RUN python -m venv --without-pip /venv && \
    pip --python /venv/bin/python install --no-cache-dir --no-compile -r requirements.txt && \
    find /venv -exec touch --no-dereference --date=2000-01-01 {} +
ENV PYTHONPYCACHEPREFIX=/pycache
RUN mkdir /pycache && /venv/bin/python -c "import flask, google.protobuf.runtime_version, \
    google.protobuf.internal.builder, granian.server.mt, grpc._utilities, grpc.experimental, prometheus_client; \
    grpc.intercept_channel(grpc.insecure_channel('nowhere'))"
# What the base has compiled for itself need not be there twice.
RUN find /pycache -name "*.pyc" -exec sh -c 'own=$(dirname "${1#/pycache}")/__pycache__/$(basename "$1"); \
    [ ! -e "$own" ] || ln -sf "$own" "$1"' _ {} \;

FROM ${PYTHON_IMAGE}
LABEL microservices-workshop="image"
WORKDIR /service
ENV PATH=/venv/bin:$PATH PYTHONPYCACHEPREFIX=/pycache PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["python", "healthcheck.py"]
CMD ["python", "server.py"]
COPY --from=packages /venv /venv
COPY --from=packages /pycache /pycache
COPY --from=stubs /stubs/recommendations_pb2.py /stubs/recommendations_pb2_grpc.py ./
COPY services/marketplace ./
