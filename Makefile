# Set up and go:  make quickstart  |  make test.  CONTRIBUTING.md says more.

VENV := .venv
BIN := $(VENV)/bin

# The Pythons that every check passes on. On 3.13 TensorFlow's AutoGraph leaves some loops unconverted.
# To name another interpreter: make PYTHON=/path/to/python3.12
IS_SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for python in python3 python3.12 python3.11; do \
	$$python -c '$(IS_SUPPORTED)' 2>/dev/null && echo $$python && break; done)

export TF_CPP_MIN_LOG_LEVEL ?= 2

# A worker of pytest for each processor, up to four, for each loads every framework. The tests of a
# file share what they build, so they stay together.
IN_PARALLEL := -n logical --maxprocesses 4 --dist loadfile

.DELETE_ON_ERROR:
.PHONY: help quickstart test lint unit doctest slow benchmark

help:
	@echo 'make quickstart   set up .venv and train a federated model on handwritten digits'
	@echo 'make test         set up .venv and run every check, the quickstart included'
	@echo 'make benchmark    run the scripts in benchmarks/, write benchmarks/results/ and docs/performance.md'
	@echo '                  make benchmark QUICK=--quick only tries whether they run; other libraries'
	@echo '                  take part whose Pythons are named: TFF_PYTHON=... FEDJAX_PYTHON=... PFL_PYTHON=...'
	@echo 'Parts of make test: make lint, make unit, make doctest, make slow'

quickstart: $(VENV)/.installed-quickstart
	$(BIN)/python examples/image_classification.py

test: $(VENV)/.installed-all
	$(MAKE) --no-print-directory lint
	$(MAKE) --no-print-directory unit
	$(MAKE) --no-print-directory doctest
	$(MAKE) --no-print-directory slow
	$(MAKE) --no-print-directory quickstart

lint: $(VENV)/.installed-all
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

unit: $(VENV)/.installed-all
	$(BIN)/python -m pytest $(IN_PARALLEL)

doctest: $(VENV)/.installed-all
	$(BIN)/python -m pytest $(IN_PARALLEL) --doctest-modules src

slow: $(VENV)/.installed-all
	$(BIN)/python -m pytest $(IN_PARALLEL) -m slow

benchmark: $(VENV)/.installed-all
	$(BIN)/python benchmarks/engine.py $(QUICK)
	$(BIN)/python benchmarks/frameworks.py $(QUICK)
	$(BIN)/python benchmarks/floors.py $(QUICK)
	$(BIN)/python benchmarks/language.py $(QUICK)
	$(BIN)/python benchmarks/memory_rounds.py $(QUICK)
	$(BIN)/python benchmarks/convolutions.py $(QUICK)
	$(BIN)/python benchmarks/pooling.py $(QUICK)
	$(BIN)/python benchmarks/overheads.py $(QUICK)

# The stamps are newer than pyproject.toml once what it asks for is installed.
$(VENV)/.installed-quickstart: pyproject.toml | $(VENV)/.created
	$(BIN)/python -m pip install --editable '.[tensorflow,plot]'
	touch $@

$(VENV)/.installed-all: pyproject.toml | $(VENV)/.created
	$(BIN)/python -m pip install --editable '.[all]'
	touch $@ $(VENV)/.installed-quickstart

$(VENV)/.created:
	@test -n '$(PYTHON)' || { \
	  echo 'This needs Python 3.11 or 3.12, and found none:' >&2; \
	  echo "python3 is $$(python3 --version 2>&1)." >&2; \
	  echo 'Install one, or name it: make PYTHON=/path/to/python3.12' >&2; exit 1; }
	@'$(PYTHON)' -c '$(IS_SUPPORTED)' || { \
	  echo 'This needs Python 3.11 or 3.12:' >&2; \
	  echo "$(PYTHON) is $$('$(PYTHON)' --version 2>&1)." >&2; exit 1; }
	@'$(PYTHON)' -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'This needs the venv module of $(PYTHON).' >&2; \
	  echo 'On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	'$(PYTHON)' -m venv --clear $(VENV)
	touch $@
