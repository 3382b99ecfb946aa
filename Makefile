PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 3000
MODELS ?= genres papers books works
export BENTOML_DO_NOT_TRACK ?= True

.PHONY: serve test check format proto dashboard prometheus bench lock image image-gpu image-test clean

serve: $(VENV)/.serve ## Install, make the default models once (encoder, classifiers, recommenders), and serve them on :3000
	$(BIN)/jubako export text --if-missing
	for name in $(MODELS); do \
		$(BIN)/jubako train $$name --if-missing && $(BIN)/jubako export $$name --if-missing || exit 1; \
	done
	$(BIN)/bentoml serve . --host $(HOST) --port $(PORT)

test: $(VENV)/.dev $(VENV)/.deploy ## Run every test, those that start real servers included
	$(BIN)/python -m pytest

check: $(VENV)/.dev $(VENV)/.deploy ## Lint, formatting, types; generated files as their sources have them; chart, Compose, Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m wire.generate --check
	$(BIN)/python -m deploy.checks
	$(BIN)/python -m deploy.observability.dashboard --check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

proto: $(VENV)/.dev ## Make the gRPC modules in wire/_generated anew from proto/
	$(BIN)/python -m wire.generate

dashboard: $(VENV)/.dev ## Make deploy/observability/dashboard.json anew from panels.py
	$(BIN)/python -m deploy.observability.dashboard

prometheus: ## Put Debian's Prometheus beside the interpreter, for the test in which it scrapes a server
	mkdir -p $(VENV)/prometheus $(BIN)
	cd $(VENV)/prometheus && apt-get download prometheus && dpkg -x prometheus_*.deb .
	ln -sf ../prometheus/usr/bin/prometheus ../prometheus/usr/bin/promtool $(BIN)/

bench: $(VENV)/.dev ## Measure this machine: engine bound, BentoML's batching, Jubako, in one run; the search; the protocols
	$(BIN)/jubako export text --if-missing
	$(BIN)/python -m loadtests.bench
	$(BIN)/python -m loadtests.search_bench
	$(BIN)/python -m loadtests.protocol_bench

lock: $(VENV)/.dev ## Make requirements/*.lock anew from pyproject.toml and constraints.txt
	UV=$(BIN)/uv requirements/lock.sh

image: $(VENV)/.dev ## Build the CPU image: BACKEND=docker|podman|buildah, BASE_IMAGE, BUNDLES=0; see deploy/image/build.sh
	PYTHON=$(BIN)/python deploy/image/build.sh cpu

image-gpu: $(VENV)/.dev ## Build the image for NVIDIA GPUs: as above, and TENSORRT
	PYTHON=$(BIN)/python deploy/image/build.sh gpu

image-test: $(VENV)/.dev $(VENV)/.deploy ## Run the CPU image and the chart's pod on it, hardened, and drive them
	$(BIN)/python -m pytest -m container tests/deploy

$(VENV)/.serve: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,train]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,train,dev]'
	touch $(VENV)/.serve $@

$(VENV)/.deploy: deploy/tools/package-lock.json $(VENV)/.dev
	npm ci --prefix deploy/tools --ignore-scripts --no-audit --no-fund --silent
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
