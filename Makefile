# Every target does its own set-up in .venv and runs from a fresh clone. `make` alone explains them.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP_INSTALL := $(PY) -m pip --disable-pip-version-check --no-input -qq install --root-user-action=ignore
PACKAGES := orchestration blocks pipelines
SOURCES := $(shell find $(PACKAGES) -name '*.py' 2>/dev/null)

TRAIN ?= 2021-01
VALIDATE ?= 2021-02
PORT ?= 4200
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help train serve test check bench interop reliability screenshots lock
.NOTPARALLEL:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

train: $(VENV)/.bytecode ## run the main job; TRAIN=2021-01[,2020-12 ...] VALIDATE=2021-02 name the months
	@$(PY) -m pipelines.duration_prediction.train --train "$(TRAIN)" --validate "$(VALIDATE)"

serve: $(VENV)/.bytecode ## retrain as scheduled, with a server on PORT=4200 and a worker, until Ctrl-C
	@$(PY) -m pipelines.duration_prediction.serve --port "$(PORT)"

test: $(VENV)/.dev $(VENV)/.bytecode ## run the tests; PYTEST_ARGS="-k name" chooses among them
	@$(PY) -m pytest -q $(PYTEST_ARGS)

check: $(VENV)/.dev $(VENV)/.bytecode ## lint, types, import contracts, and the tests again with the coverage gates
	@$(PY) -m ruff check
	@$(PY) -m mypy $(wildcard $(PACKAGES) tests benchmarks)
	@$(VENV)/bin/lint-imports --no-logo
	@$(PY) -m pytest -q --cov --cov-report= $(PYTEST_ARGS)
	@$(PY) -m coverage report --include='orchestration/domain/*' --fail-under=100
	@$(PY) -m coverage report --fail-under=95

bench: $(VENV)/.dev $(VENV)/.bytecode ## measure what this project promises, as JSON; PEER_PYTHON=... adds Prefect for comparison
	@$(PY) -m benchmarks.run

interop: $(VENV)/.dev $(VENV)/.bytecode .venv-interop/.ready ## try the real Prefect on our server, and our client on Prefect's
	@$(PY) -m pytest -q -m interop --numprocesses=2 --dist=loadfile $(PYTEST_ARGS)

reliability: $(VENV)/.dev $(VENV)/.bytecode ## kill, cut off and wait: the long forms of the tests for what must never be lost
	@$(PY) -m pytest -q -m reliability --numprocesses=0 -s $(PYTEST_ARGS)

screenshots: $(VENV)/.dev $(VENV)/.bytecode ## take the pictures of the pages in docs/images; needs Chromium
	@$(PY) -m tests.browser.screenshots docs/images

lock: $(VENV)/.dev ## resolve the dependencies anew and write both lock files
	@$(UV_COMPILE) --upgrade --output-file requirements.lock
	@$(UV_COMPILE) --upgrade --group dev --constraints requirements.lock --output-file requirements-dev.lock

UV_COMPILE = $(PY) -m uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --extra pipeline --extra postgres --group build

# A stamp stands only after its whole set-up went through. A .venv without the stamp, or whose interpreter is gone, is
# a set-up that was interrupted or outlived its Python, and is made afresh.
$(VENV)/.runtime: requirements.lock pyproject.toml $(shell test -x $(PY) || echo absent)
	@$(check-python)
	@test -e $@ -a -x $(PY) || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what the project runs on into $(VENV) (about a minute, once) ..."
	@rm -f $@
	@$(PIP_INSTALL) --no-compile --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@$(PY) -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing the tools for tests and checks into $(VENV) ..."
	@mv $(VENV)/.runtime $(VENV)/.unfinished
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@mv $(VENV)/.unfinished $(VENV)/.runtime
	@touch $@

.venv-interop/.ready: tests/interop/requirements.txt
	@echo "Installing Prefect into .venv-interop ..."
	@$(PYTHON) -m venv --clear .venv-interop
	@.venv-interop/bin/python -m pip --disable-pip-version-check --no-input -qq install --root-user-action=ignore -r $<
	@touch $@

# Where PYTHONDONTWRITEBYTECODE is set, Python would compile our packages again at every start.
$(VENV)/.bytecode: $(VENV)/.runtime $(SOURCES)
	@$(PY) -m compileall -q $(wildcard $(PACKAGES))
	@touch $@

.PHONY: absent
absent:

define check-python
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| { echo "This project needs Python 3.11 or newer: install it, or name it with \`make PYTHON=/path/to/python3.11 ...\`." >&2; exit 1; }; \
$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	|| { echo "Python's venv module is missing: install it (on Debian and Ubuntu: apt-get install python3-venv)." >&2; exit 1; }
endef
