# The image of the API and the workers: hashed dependencies and the wheel, no source tree, no build tools, no root.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements/base.txt requirements/test.txt requirements/
RUN python -m venv /srv/eucora \
    && /srv/eucora/bin/pip install --no-cache-dir --require-hashes --requirement requirements/base.txt
COPY pyproject.toml README.md LICENSE worker.py ./
COPY workflows workflows
COPY activities activities
COPY api api
COPY models models
COPY eucora eucora
# The build backend comes from the test lock, so it is pinned and hashed like everything else.
RUN python -m venv /srv/build \
    && /srv/build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/test.txt \
    && /srv/build/bin/python -m build --wheel --no-isolation --outdir /dist . \
    && /srv/eucora/bin/pip install --no-cache-dir --no-deps --no-index /dist/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home eucora \
    && install -d -o eucora -g eucora /var/lib/eucora/blobs /var/lib/eucora/fleet
COPY --from=build /srv/eucora /srv/eucora
ENV PATH=/srv/eucora/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER eucora
WORKDIR /var/lib/eucora
EXPOSE 8000 9464 9465
CMD ["eucora", "--help"]
