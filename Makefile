# Every target makes the environment it needs (.venv) first; the second time that takes no time.
PYTHON ?= python3
ASSIGNMENT := 10_compression
TWIN := source/$(ASSIGNMENT)/compression_dev.py
NOTEBOOK ?= source/$(ASSIGNMENT)/compression_dev.ipynb
BIN := .venv/bin
# nbgrader starts programs of its own environment (alembic) by name
export PATH := $(CURDIR)/$(BIN):$(PATH)
SHELL := bash
.SHELLFLAGS := -o pipefail -c

.PHONY: help demo test soak lint release notebook twin export wheel bench bench-class bench-redteam chart

help:
	@echo 'make demo       grade a made-up class of twelve and show the result'
	@echo 'make test       check everything: style, types, library, module, course'
	@echo 'make soak       100,000 forged messages for the decoder (a quarter of an hour)'
	@echo 'make release    make release/ from source/, and tell the gradebook'
	@echo 'make notebook   the master notebook from its text twin;  make twin   the other way round'
	@echo 'make export     a solved notebook (NOTEBOOK=...) to tinytorch/core/compression.py'
	@echo 'make wheel      what students install, in dist/'
	@echo 'make bench      the figures of the README;  make chart   its picture'
	@echo 'make bench-class     a class of 200 against stock nbgrader (half an hour)'
	@echo 'make bench-redteam   each attack on stock nbgrader and on the wall (half an hour)'

demo: .venv/.course
	$(BIN)/python -m grader.course.demo

# in the order of the folders: the files with few tests, and slow ones, come first
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

release: .venv/.course
	@$(BIN)/python -m grader.course.twin check $(TWIN)
	$(BIN)/nbgrader generate_assignment $(ASSIGNMENT)

notebook: .venv/.course
	$(BIN)/python -m grader.course.twin twin $(TWIN)

twin: .venv/.course
	$(BIN)/python -m grader.course.twin notebook $(TWIN)

export: .venv/.course
	$(BIN)/python -m tinytorch.export "$(NOTEBOOK)"

wheel: .venv/.course
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

bench: .venv/.test
	$(BIN)/python -m benchmarks

bench-class: .venv/.test
	$(BIN)/python -m benchmarks.class_speed

soak: .venv/.test
	CODEC_FUZZ_CASES=34000 $(BIN)/python -m pytest tests/grader/test_codec.py -k harm

bench-redteam: .venv/.test
	$(BIN)/python -m benchmarks.redteam

chart: .venv/.test
	$(BIN)/python -m benchmarks.chart

# .venv/.course and .venv/.test: the environment with that extra of pyproject.toml, made again when it changes. A
# first try that was interrupted left no stamp and perhaps no pip, so the next one starts over.
.venv/.%: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'This course needs Python 3.11 or newer, and "$(PYTHON)" is not: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '$(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv, or make PYTHON=/path/to/another' >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo 'Installing into .venv: once, a few minutes ...'
	@$(BIN)/python -m pip install --disable-pip-version-check -e '.[$*]' \
	  | awk '/^ *Collecting/ { printf "\r  %d packages", ++n; fflush() } END { print "" }'
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m grader "$$@"\n' > $(BIN)/grader && chmod +x $(BIN)/grader
	@touch .venv/.course $@
