# `make up` runs the main job, `make test` everything; both from a fresh clone on Debian 12.
SHELL := /bin/bash
PYTHON := python3
VENV := .venv
BIN := $(VENV)/bin
FILE ?= examples/2-https/site.yaml
WORLD := $(BIN)/python -m hiyoko.plane.world --

.PHONY: help up down test check fix unit plane e2e golden docs bench clean

help: ## this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

up: $(VENV)/.installed ## set up, start the local cloud, publish the example, prove it
	@$(BIN)/hiyoko up --yes $(FILE)

down: $(VENV)/.installed ## remove the example and end the local cloud
	@$(BIN)/hiyoko down --yes $(FILE); $(BIN)/hiyoko cloud stop

test: $(VENV)/.dev ## everything: linters, types, unit, API, real packets, whole sites
	@tools/test

check: $(VENV)/.dev ## linters and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

fix: $(VENV)/.dev ## let the linter mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

unit: $(VENV)/.dev ## what needs no privileges
	@$(BIN)/pytest -q tests/unit tests/golden tests/tidy tests/api

plane: $(VENV)/.dev ## real packets, in a throw-away world
	@for image in nginx httpd amazon-ecs-sample; do \
	    $(BIN)/python -m hiyoko.porter.build --state-dir build/test $$image >/dev/null; done
	@$(WORLD) $(BIN)/pytest -q tests/plane

e2e: $(VENV)/.dev ## every example: deploy, prove, remove
	@$(BIN)/pytest -q tests/e2e

golden: $(VENV)/.dev ## rewrite the golden files; review the diff
	@HIYOKO_GOLDEN=rewrite $(BIN)/pytest -q tests/golden

docs: $(VENV)/.dev ## write docs/reference anew from the code
	@$(BIN)/python tools/gen_reference.py

bench: $(VENV)/.dev ## the figures of the README
	@$(BIN)/python bench/run.py

$(VENV)/.installed: pyproject.toml tools/setup
	@tools/setup
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@tools/setup dev
	@touch $@

clean: ## remove what the set-up made here
	rm -rf $(VENV)
