# What a developer types; each target says what it does.
#   PYTHON  the interpreter a virtual environment is made with    (python3)
#   VENV    where the virtual environment is                      (.venv)
#   ARGS    passed on to pytest, e.g. make test ARGS="-k split"
#   JOBS    how many processes the tests share; 0 with -s, --pdb or --trace in ARGS  (4)

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
JOBS ?= $(if $(filter -s --capture=no --pdb --trace,$(ARGS)),0,4)

INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --use-pep517 \
	--config-settings editable_mode=compat --editable
# What the package is described by; its modules are used where they stand.
PACKAGE = setup.py gmflow/version.py $(wildcard bin/m_*)

# Tests wait more than they work: 4 processes keep 2 cores busy.
PYTEST = $(VENV)/bin/python -m pytest -n $(JOBS) --dist worksteal

.PHONY: help test test-full test-all coverage mutants demo bench check clean
.NOTPARALLEL:

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 10

test: $(VENV)/.test ## run every test
	$(PYTEST) $(ARGS)

test-full: $(VENV)/.test ## the same with all kills and all damaged messages, a tenth of which is the default
	GMFLOW_FULL=1 $(PYTEST) --timeout 300 -o faulthandler_timeout=298 $(ARGS)

test-all: ## run every test under each of Python 3.10 to 3.13 that is installed
	.ci/test_all

coverage: $(VENV)/.check ## which lines no test runs, the programs that tests start included
	$(PYTEST) --cov --cov-report=term $(ARGS)

mutants: $(VENV)/.test ## whether tests fail when the code is changed; ARGS="--count 60 --seed 1"
	$(VENV)/bin/python tests/mutants.py $(ARGS)

demo: $(VENV)/.demo ## a topology at work, on this machine alone
	$(VENV)/bin/python examples/demo.py

bench: $(VENV)/.bench ## gmflow beside its peers, 15 minutes; QUICK=1 takes 2
	$(VENV)/bin/python benchmarks/run.py $(if $(QUICK),quick)

check: $(VENV)/.check ## lint, formatting, types, layers
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -q tests/core/test_layers.py

clean: ## remove what these targets made
	rm -rf .venv .venv-3.* build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamps are written last, so that what was interrupted is done again.
$(VENV)/.made:
	$(PYTHON) -m venv --clear $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.made $(PACKAGE)
	$(INSTALL) .
	touch $@

$(VENV)/.test: $(VENV)/.made $(PACKAGE)
	$(INSTALL) '.[test]'
	@$(INSTALL) '.[dectris]' || echo 'dectris-compression needs a C++20 compiler: its tests are skipped'
	touch $@

$(VENV)/.bench: $(VENV)/.made $(PACKAGE)
	$(INSTALL) '.[bench]'
	@$(INSTALL) '.[dectris]' || echo 'dectris-compression needs a C++20 compiler: it is left out'
	touch $@

$(VENV)/.check: $(VENV)/.made $(PACKAGE)
	$(INSTALL) '.[test,dev]'
	touch $@
