# `make` alone prints the targets. Everything but `clean` sets itself up first; a second `setup` is instant.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := requirements/test.txt
CACHE := .cache

# The first interpreter that is 3.11 or newer and can make environments; the pins are compiled for 3.11, so it comes first.
# Choose another with `make PYTHON=/path/to/python setup`.
CANDIDATES := python3.11 python3.12 python3.13 python3 python
USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in $(CANDIDATES); do "$$p" -c '$(USABLE)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

# The tools of the environment (temporal, ansible-playbook, cyclonedx-py ...) are found without activating it.
export PATH := $(CURDIR)/$(BIN):$(PATH)

PYTEST := $(BIN)/python -m pytest
ARGS ?=
EXAMPLES ?= 1000000

##@ Using it
.PHONY: help
help: ## This list
	@awk 'BEGIN { FS = ":.*## "; printf "\nmake \033[36m<target>\033[0m\n" } \
	  /^##@ / { printf "\n\033[1m%s\033[0m\n", substr($$0, 5) } \
	  /^[a-z-]+:.*## / { printf "  \033[36m%-10s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo

.PHONY: setup
setup: $(READY) ## Make .venv with every pinned dependency (hashes checked) and the project itself
	@echo "setup  ready: $(VENV)"

.PHONY: demo
demo: $(READY) ## Take four real deployments to their end on the local stack, with nothing but Python installed
	@$(BIN)/eucora demo $(ARGS)

.PHONY: up
up: $(READY) ## Start the local stack (Postgres, Temporal with its Web UI, API, worker, fleet) and keep it
	@$(BIN)/eucora up $(ARGS)

##@ Changing it
.PHONY: test
test: check ## Everything CI runs: check, then all tests, the built wheel among them (ARGS=-k... narrows it)
	@echo "test   pytest"
	@$(PYTEST) $(ARGS)

.PHONY: check
check: $(READY) ## Lint, format, types, import contracts
	@mkdir -p $(CACHE)
	@echo "check  ruff check" && $(BIN)/ruff check --quiet .
	@echo "check  ruff format" && $(BIN)/ruff format --quiet --check . || { echo "run: make format"; exit 1; }
	@echo "check  mypy --strict" && $(BIN)/mypy --no-error-summary
	@echo "check  import contracts" && said="$$($(BIN)/lint-imports --no-logo --cache-dir $(CACHE)/imports 2>&1)" || { echo "$$said"; exit 1; }

.PHONY: format
format: $(READY) ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format .

.PHONY: coverage
coverage: $(READY) ## All tests with branch coverage, and the figure of each top-level package (at least 90 %)
	@mkdir -p $(CACHE)/coverage
	@$(BIN)/coverage erase
	@$(PYTEST) --cov --cov-report= $(ARGS)
	@$(BIN)/coverage report
	@for package in workflows activities api models eucora; do \
	  printf '%-12s' "$$package"; $(BIN)/coverage report --format=total --fail-under=90 --include="$$package/*"; done

.PHONY: explore
explore: $(READY) ## The properties with a million examples each (EXAMPLES=n changes that)
	@EUCORA_HYPOTHESIS_PROFILE=explore EUCORA_EXAMPLES=$(EXAMPLES) \
	  $(PYTEST) --timeout=0 --hypothesis-show-statistics -m hypothesis $(ARGS)

.PHONY: hooks
hooks: $(READY) ## Run check before each commit, through pre-commit
	@command -v pre-commit >/dev/null || { echo "pre-commit is not installed: see https://pre-commit.com"; exit 1; }
	@pre-commit install

.PHONY: lock
lock: ## Compile requirements/*.txt again from pyproject.toml (pip-tools in an environment of its own)
	@"$(PYTHON)" -m venv $(CACHE)/lock && $(CACHE)/lock/bin/pip install --quiet pip-tools
	@compile() { $(CACHE)/lock/bin/pip-compile --quiet --no-header --generate-hashes --strip-extras \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links "$$@" pyproject.toml; }; \
	  compile -o requirements/base.txt; \
	  compile -c requirements/base.txt --extra ansible --extra dev -o requirements/dev.txt; \
	  compile -c requirements/dev.txt --extra ansible --extra dev --extra test -o requirements/test.txt

# Exit 3 while a stack runs in this folder; an environment too broken to say so is no obstacle.
STACK_RUNS := import pathlib, sys; from eucora.stack import StackInfo; sys.exit(StackInfo.of_running(pathlib.Path()) and 3)

.PHONY: clean
clean: ## Remove the environment, the caches, and the local stack's data, keys and logs
	@$(BIN)/python -c '$(STACK_RUNS)' 2>/dev/null || [ $$? -ne 3 ] || { echo "the local stack runs: stop it first"; exit 1; }
	@rm -rf $(VENV) $(CACHE) .eucora dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is younger than everything it was made from, or it is made again.
$(READY): $(LOCK) pyproject.toml
	@[ -n "$(PYTHON)" ] || { \
	  echo "No Python 3.11 or newer that can make environments was found (on Debian: apt install python3-venv)."; \
	  echo "Name one: make PYTHON=/path/to/python3.11 setup"; exit 1; }
	@echo "setup  1/3  $(VENV), with $$("$(PYTHON)" --version)"
	@rm -f $@; $(BIN)/python -c '$(USABLE)' 2>/dev/null || { rm -rf $(VENV); "$(PYTHON)" -m venv $(VENV); }
	@echo "setup  2/3  $$(grep -c '^[a-z]' $(LOCK)) pinned packages, every hash checked (about a minute)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement $(LOCK)
	@echo "setup  3/3  eucora itself, editable"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@touch $@
