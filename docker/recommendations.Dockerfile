# docker build . -f docker/recommendations.Dockerfile -t recommendations
ARG PYTHON_IMAGE=python:3.13-slim

# The compiler of the contract and its 20 MB stay behind in this stage.
FROM ${PYTHON_IMAGE} AS stubs
LABEL microservices-workshop="image"
WORKDIR /stubs
COPY protobufs/requirements.txt .
RUN pip install --no-cache-dir --root-user-action=ignore -r requirements.txt
COPY protobufs/recommendations.proto .
RUN python -m grpc_tools.protoc -I . --python_out=. --grpc_python_out=. recommendations.proto

# A virtual environment without pip: only what runs. Bytecode is good for a file of one date only, and the
# builder's cache does not look at dates: so all have the same.
FROM ${PYTHON_IMAGE} AS packages
LABEL microservices-workshop="image"
WORKDIR /packages
COPY services/recommendations/requirements.txt .
RUN python -m venv --without-pip /venv && \
    pip --python /venv/bin/python install --no-cache-dir --no-compile -r requirements.txt && \
    find /venv -exec touch --no-dereference --date=2000-01-01 {} +
# Bytecode of what a start imports: a container may not write any, and would compile it at every start.
ENV PYTHONPYCACHEPREFIX=/pycache
RUN mkdir /pycache && /venv/bin/python -c "import asyncio, pathlib, grpc_health.v1.health, grpc_reflection.v1alpha.reflection, prometheus_client"
# What the base has compiled for itself need not be there twice.
RUN find /pycache -name "*.pyc" -exec sh -c 'own=$(dirname "${1#/pycache}")/__pycache__/$(basename "$1"); \
    [ ! -e "$own" ] || ln -sf "$own" "$1"' _ {} \;

FROM ${PYTHON_IMAGE}
LABEL microservices-workshop="image"
WORKDIR /service
ENV PATH=/venv/bin:$PATH PYTHONPYCACHEPREFIX=/pycache PYTHONDONTWRITEBYTECODE=1
# A number, because Kubernetes cannot tell whether a name is root.
USER 10001:10001
EXPOSE 50051 9464
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s CMD ["python", "healthcheck.py"]
# The exec form: Python itself is process 1 and gets the stop signal.
CMD ["python", "recommendations.py"]
COPY --from=packages /venv /venv
COPY --from=packages /pycache /pycache
COPY --from=stubs /stubs/recommendations_pb2.py /stubs/recommendations_pb2_grpc.py ./
# Last, because it changes most: only this step runs again.
COPY services/recommendations ./
