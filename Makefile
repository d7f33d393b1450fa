# `make demo` and `make test` need nothing prepared: what is missing is installed into .venv and, for root
# on Debian or Ubuntu, by apt. Other targets build on those.

VENV := .venv
BIN := $(VENV)/bin
# The peers' own environment, because their requirements conflict with ours.
BENCH_VENV := .venv-bench
# What builds loopin.js, and what its tests run beside it.
BROWSER := tests/e2e/browser
PACKAGES := schemas producers streams sinks api deploy
ARGS ?=
# Tests wait for brokers more than they compute: three at a time fill two cores. By file, because the scenarios of
# a file run side by side: spread over several processes, each of those would run them all. In the order of
# tests/conftest.py: the longest files first.
WORKERS ?= 3
# A run starts hundreds of processes: each would compile our modules anew, and each worker rewrite all tests.
unexport PYTHONDONTWRITEBYTECODE
export LOOPIN_DATA_DIR ?= $(CURDIR)/.data

.PHONY: demo up down test scenarios check bench evaluate faults texts format generated lock clean

demo: $(VENV)/.runtime
	@$(BIN)/loopin demo $(ARGS)

up: $(VENV)/.runtime
	@$(BIN)/loopin up $(ARGS)

down: $(VENV)/.runtime
	@$(BIN)/loopin down $(ARGS)

PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# All that are quick, and what they reach of the packages.
test: $(VENV)/.dev
	@$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(PARALLEL) -m "not scenario" $(ARGS)
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report $(if $(ARGS),--fail-under=0)

# All others: systems of processes that are booted, killed and rebuilt, and whole matrices.
scenarios: $(VENV)/.dev
	$(BIN)/python -m pytest $(PARALLEL) -m scenario $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check $(PACKAGES) tests
	$(BIN)/ruff check $(PACKAGES) tests
	$(BIN)/mypy $(PACKAGES) tests
	$(BIN)/lint-imports

# Every case, or some: make faults CASES=store-kill,poison EVENTS=300000
CASES ?=
EVENTS ?= 100000
faults: $(VENV)/.dev
	@$(BIN)/python -m tests.faults $(if $(CASES),--cases $(CASES)) --events $(EVENTS) $(ARGS)

# The scorer against the library on 100,000 mutations of the rated texts; `make test` takes a tenth of them.
texts: $(VENV)/.dev
	@$(BIN)/python -m tests.text.vader.differences --seed 14

# All of it takes more than an hour; a part: make bench ARGS="--jobs J0,J2 --systems loopin,quix --runs 3"
bench: $(VENV)/.dev $(BENCH_VENV)/.peers
	@$(BIN)/python -m tests.bench $(ARGS)

# How good the models are, in simulated worlds and on real texts; the full size: make evaluate ARGS="--users 10000"
evaluate: $(VENV)/.dev
	@$(BIN)/python -m tests.evaluate $(ARGS)

format: $(VENV)/.dev
	$(BIN)/ruff format $(PACKAGES) tests
	$(BIN)/ruff check --fix $(PACKAGES) tests

# Everything that is generated from the code and checked in.
generated: $(VENV)/.dev
	$(BIN)/python -m loopin_schemas.json_schema --write
	$(BIN)/python -m loopin_schemas.catalogue.markdown --write
	$(BIN)/python -m loopin_schemas.metrics.markdown --write
	$(BIN)/python -m loopin_schemas.alert_rules.markdown --write
	$(BIN)/python -m loopin_producers.event_types --write
	$(BIN)/python -m loopin_deploy.settings_docs --write
	$(BIN)/python -m loopin_deploy.operations_docs --write
	$(BIN)/python -m loopin_deploy.schedules_docs --write
	npm --prefix $(BROWSER) run --silent build

# The lock files name versions and hashes only; which index they come from is the installer's setting. They keep
# extras: pip before 23.3, which Debian 12 has, otherwise looks for a newer version and finds it has no hash. What runs
# has the versions that it is tested with: uv keeps those of a file that is there, so the other lock begins as a copy.
LOCK := uv pip compile -q --no-strip-extras --generate-hashes --no-emit-index-url --universal --python-version 3.11 --no-header
lock:
	$(LOCK) pyproject.toml requirements/build.in --all-extras --group dev -o requirements/dev.txt
	cp requirements/dev.txt requirements/runtime.txt
	$(LOCK) pyproject.toml requirements/build.in --all-extras -o requirements/runtime.txt
	$(LOCK) --no-deps requirements/data.in -o requirements/data.txt
	$(LOCK) --no-deps requirements/texts.in -o requirements/texts.txt
	$(LOCK) requirements/bench.in -o requirements/bench.txt

$(VENV)/.runtime: requirements/runtime.txt requirements/data.txt pyproject.toml deploy/prepare.sh
	@deploy/prepare.sh $(VENV) requirements/runtime.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/data.txt requirements/texts.txt pyproject.toml deploy/prepare.sh \
		$(BROWSER)/package-lock.json
	@deploy/prepare.sh $(VENV) requirements/dev.txt
	@npm --prefix $(BROWSER) ci --silent
	@$(BIN)/python -m pip download -q --disable-pip-version-check --require-hashes --no-deps \
		--no-build-isolation --no-binary :all: -d $(VENV)/share/texts -r requirements/texts.txt
	@touch $@ $(VENV)/.runtime

$(BENCH_VENV)/.peers: requirements/bench.txt $(VENV)/.dev
	$(BIN)/python -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

clean:
	rm -rf $(VENV) $(BENCH_VENV) build dist .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.*
