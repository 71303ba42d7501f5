# Everything one types here. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.NOTPARALLEL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TYPINGS := $(VENV)/typings/.ready
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input

# The unit tests are what runs without I/O, and every branch of it is covered. Sites are whole
# libraries of real processes: they wait more than they work, so two at a time. The browser's
# tests need a process of their own. All the rest runs side by side, a file at a time.
UNIT := tests/circulation tests/firmware/gate tests/firmware/mcu/both tests/hardware/chips
SITES := tests/e2e tests/sim/test_scenarios_at_a_demo.py
BROWSER := tests/browser
REST := tests $(addprefix --ignore=,$(UNIT) $(SITES) $(BROWSER))
SYSTEM_PROGRAMS := mosquitto chromium openssl
# What drives the browser is a Node that needs libatomic, which neither wheel nor Chromium brings.
# Slips in Chinese are drawn with a font.
# Debian keeps the programs of PostgreSQL out of the path; the tests start one of their own.
SYSTEM_PACKAGES := $(SYSTEM_PROGRAMS) postgresql libatomic1 fonts-wqy-microhei
APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

$(READY): requirements/dev.txt requirements/dev-nodeps.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Lendgate needs Python 3.11 or newer; say: make PYTHON=python3.11")'
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "venv is missing: sudo apt install git make python3-venv" >&2; exit 1; }
	test -x $(BIN)/pip || { echo "Making $(VENV) (about a minute, once)"; $(PYTHON) -m venv --clear $(VENV); }
	$(PIP_INSTALL) --require-hashes --requirement requirements/dev.txt
	$(PIP_INSTALL) --require-hashes --no-deps --requirement requirements/dev-nodeps.txt
	PYTHONWARNINGS=ignore $(PIP_INSTALL) --no-build-isolation --no-deps --editable .
	touch $@

# The modules of the boards bear names of the standard library's: they must not lie beside it.
$(TYPINGS): $(READY) requirements/rp2.txt requirements/esp32.txt
	@for board in rp2 esp32; do
	  $(PIP_INSTALL) --upgrade --target $(VENV)/typings/$$board --no-deps --require-hashes \
	    --requirement requirements/$$board.txt
	done
	touch $@

.PHONY: demo
demo: $(READY)  ## a whole library on simulated hardware; Ctrl-C stops it
	@exec $(BIN)/python -m sim demo

.PHONY: demo-check
demo-check: $(READY)  ## the demo played by a script: offline loan, link back, alarm, return
	@exec $(BIN)/python -m sim demo-check

.PHONY: bench
bench: $(READY)  ## measure what is promised, each number beside its floor; eight minutes
	@exec $(BIN)/python -m sim measure

.PHONY: growth
growth: $(READY)  ## measure how costs grow, up to a city's size, and draw it; a quarter of an hour
	@exec $(BIN)/python -m sim growth

SEEDS ?= 200
.PHONY: sim-soak
sim-soak: $(READY)  ## SEEDS=2000 simulated libraries through every fault; what it proves: docs/reliability.md
	@exec $(BIN)/python -m sim soak --seeds $(SEEDS)

.PHONY: mutants
mutants: $(READY)  ## plant bugs in the code, one at a time, and see which seed finds each
	@exec $(BIN)/python -m sim mutants

.PHONY: firmware
firmware: $(READY)  ## compile a microcontroller's gate, its sizes against each board's budget
	@exec $(BIN)/python -m firmware.compile

.PHONY: test
test: $(READY) $(TYPINGS) system-for-tests coverage  ## every test; the browser's come last
	@$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder $(REST)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder $(SITES)
	$(BIN)/pytest $(BROWSER)

.PHONY: test-unit
test-unit: $(READY)  ## the quick tests alone
	@$(BIN)/pytest -n auto $(UNIT)

.PHONY: coverage
coverage: $(READY)  ## the quick tests, which cover every branch of the rules and the gate
	@$(BIN)/pytest -n auto $(UNIT) --cov --cov-report=term-missing:skip-covered --cov-fail-under=100

.PHONY: lint
lint: $(READY) $(TYPINGS)  ## formatter, linter, strict types, tidiness
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest --quiet tests/test_tidy.py tests/test_layers.py tests/test_portable.py

.PHONY: format
format: $(READY)  ## put every file in the one format
	@$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: system
system:  ## install Mosquitto, Chromium, PostgreSQL and what else some tests need
	@$(APT) update
	vm=$$(test -x $(BIN)/micropython || apt-cache pkgnames micropython | grep -x micropython || true)
	$(APT) install --yes --no-install-recommends $(SYSTEM_PACKAGES) $$vm

# As root, or in continuous integration, the tests fetch what they need, and say so first.
.PHONY: system-for-tests
system-for-tests:
	@missing=""
	PATH="$$PATH:/usr/sbin"
	for program in $(SYSTEM_PROGRAMS); do
	  command -v $$program >/dev/null || missing="$$missing $$program"
	done
	# Where pip has no wheel of it, Debian 13 and later have a package.
	test -x $(BIN)/micropython || command -v micropython >/dev/null || missing="$$missing micropython"
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$$missing postgresql"
	ldconfig -p | grep libatomic.so.1 >/dev/null || missing="$$missing libatomic1"
	test -e /usr/share/fonts/truetype/wqy/wqy-microhei.ttc || missing="$$missing fonts-wqy-microhei"
	if [ -z "$$missing" ]; then exit 0; fi
	if [ "$(SYSTEM)" != no ] && { [ "$(CI)" = true ] || [ "$$(id -u)" = 0 ]; }; then
	  echo "Missing:$$missing. Installing with apt (SYSTEM=no forbids it)."
	  $(MAKE) --no-print-directory system
	else
	  echo "Missing:$$missing. Their tests are skipped by name; to run them too: make system"
	  echo "  (that is: sudo apt-get install $(SYSTEM_PACKAGES))"
	fi

.PHONY: lock
lock:  ## write requirements/*.txt anew from pyproject.toml
	@requirements/lock

.PHONY: clean
clean:  ## remove what was built, but not .venv
	@rm -rf build dist *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
