# Every target sets up what it needs: a virtual environment with Ferraris and its tools, once, and
# again when pyproject.toml has changed. Needs Python 3.11 (Debian: python3-venv), and a package index.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
# One seed for all runs: a failure in one place is a failure everywhere.
SEED ?= 20260311
METERS ?= 200
# Tests of lines and services wait for a good part of their time: one worker more than cores.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup setup-interop demo lint style types laws platforms test tests test-all interop bench docs fuzz clean

help:
	@echo 'make demo      a simulated neighbourhood, read by the head-end into a store'
	@echo 'make test      style, types, the laws of the house, all tests (a few minutes)'
	@echo 'make lint      style, types and laws alone'
	@echo 'make platforms types again, as on Windows and macOS'
	@echo 'make test-all  make test with foreign clients and services required, and the manual'
	@echo 'make interop   foreign clients read our meters'
	@echo 'make bench     speed, against peers in the same run'
	@echo 'make fuzz      a million mutated inputs for each decoder'
	@echo 'make docs      the manual, as docs/_build/html/index.html'

setup: $(STAMP)-base

setup-interop: $(STAMP)-interop

# An environment that works is kept, whoever made it.
$(VENV)/bin/python:
	@test -n '$(PYTHON)' || { echo 'Python 3.11 or newer is needed (Debian: apt install python3-venv)'; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)

$(STAMP)-base: pyproject.toml | $(VENV)/bin/python
	@echo 'setting up $(VENV), once ...'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,headend]'
	@touch $@

$(STAMP)-docs: pyproject.toml $(STAMP)-base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

$(STAMP)-interop: pyproject.toml $(STAMP)-base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[interop]'
	@touch $@

$(STAMP)-fuzz: pyproject.toml $(STAMP)-base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[fuzz]'
	@touch $@

demo: $(STAMP)-base
	$(BIN)/ferraris demo --meters $(METERS) --once

lint: style types laws

style: $(STAMP)-base
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)-base
	$(BIN)/mypy

laws: $(STAMP)-base
	$(BIN)/lint-imports --no-logo --no-cache

# The types of other systems know which functions those systems lack.
platforms: $(STAMP)-base
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 src
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin src

# Types and laws keep one core busy for a minute, so the tests run beside them.
test: style
	$(MAKE) --no-print-directory -j3 types laws tests

# Who has nothing left to do takes over tests of others.
tests: $(STAMP)-base
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -p randomly --randomly-seed=$(SEED)

interop: $(STAMP)-interop
	$(BIN)/pytest tests/interop -n $(WORKERS) -p randomly --randomly-seed=$(SEED)

test-all: $(STAMP)-interop docs platforms
	FERRARIS_REQUIRE_SERVICES=1 FERRARIS_FULL=1 $(MAKE) test

bench: $(STAMP)-interop
	$(BIN)/python -m bench $(BENCH)

fuzz: $(STAMP)-fuzz
	$(BIN)/python -m fuzz $(FUZZ)

docs: $(STAMP)-docs
	$(BIN)/sphinx-build --quiet -W --keep-going -b html docs docs/_build/html
	@echo 'the manual: docs/_build/html/index.html'

clean:
	rm -rf $(VENV) docs/_build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
