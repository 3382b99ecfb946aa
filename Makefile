PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 3000
MODELS ?= genres papers books works
export BENTOML_DO_NOT_TRACK ?= True

.PHONY: serve test check format proto dashboard prometheus bench clean

serve: $(VENV)/.serve ## Install, make the default models once (encoder, classifiers, recommenders), and serve them on :3000
	$(BIN)/jubako export text --if-missing
	for name in $(MODELS); do \
		$(BIN)/jubako train $$name --if-missing && $(BIN)/jubako export $$name --if-missing || exit 1; \
	done
	$(BIN)/bentoml serve . --port $(PORT)

test: $(VENV)/.dev ## Run every test, those that start real servers included
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## Lint, formatting and types, over source and tests; gRPC modules and dashboard as their sources have them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m wire.generate --check
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

$(VENV)/.serve: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,train]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt -e '.[cpu,train,dev]'
	touch $(VENV)/.serve $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
