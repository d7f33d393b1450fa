# `make demo` and `make test` need nothing prepared: what is missing is installed into .venv and, for root
# on Debian or Ubuntu, by apt. Other targets build on those.

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := schemas producers streams sinks api deploy
ARGS ?=
# Tests wait for brokers more than they compute: three at a time fill two cores.
WORKERS ?= 3
export LOOPIN_DATA_DIR ?= $(CURDIR)/.data

.PHONY: demo up down test check format generated lock clean

demo: $(VENV)/.runtime
	@$(BIN)/loopin demo $(ARGS)

up: $(VENV)/.runtime
	@$(BIN)/loopin up $(ARGS)

down: $(VENV)/.runtime
	@$(BIN)/loopin down $(ARGS)

test: $(VENV)/.dev
	@$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n $(WORKERS) $(ARGS)
	@$(BIN)/python -m coverage combine -q
	@$(BIN)/python -m coverage report $(if $(ARGS),--fail-under=0)

check: $(VENV)/.dev
	$(BIN)/ruff format --check $(PACKAGES) tests
	$(BIN)/ruff check $(PACKAGES) tests
	$(BIN)/mypy $(PACKAGES) tests
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format $(PACKAGES) tests
	$(BIN)/ruff check --fix $(PACKAGES) tests

# Everything that is generated from the code and checked in.
generated: $(VENV)/.dev
	$(BIN)/python -m loopin_schemas.json_schema --write
	$(BIN)/python -m loopin_schemas.catalogue.markdown --write
	$(BIN)/python -m loopin_deploy.settings_docs --write

# The lock files name versions and hashes only; which index they come from is the installer's setting.
LOCK := uv pip compile -q --generate-hashes --no-emit-index-url --universal --python-version 3.11 --no-header
lock:
	$(LOCK) pyproject.toml requirements/build.in --all-extras -o requirements/runtime.txt
	$(LOCK) pyproject.toml requirements/build.in --all-extras --group dev -o requirements/dev.txt
	$(LOCK) --no-deps requirements/data.in -o requirements/data.txt

$(VENV)/.runtime: requirements/runtime.txt requirements/data.txt pyproject.toml deploy/prepare.sh
	@deploy/prepare.sh $(VENV) requirements/runtime.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/data.txt pyproject.toml deploy/prepare.sh
	@deploy/prepare.sh $(VENV) requirements/dev.txt
	@touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .coverage .coverage.*
