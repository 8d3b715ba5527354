# CML Cloud Manager. `make` explains itself.
SHELL := /bin/sh
PORT ?= 8000
VAR ?= var
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Parallel test processes: one a core, two at most by default.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help run install system postgres test test-slow test-keycloak test-deploy check fmt bench clean lock screenshots

help:
	@echo 'make run          the whole portal on this machine, against simulated AWS and CML (PORT=8000 VAR=var)'
	@echo 'make test         lint, types, layers, migrations, tests, browser (about ten minutes on two cores)'
	@echo 'make test-slow    the tests that take long: killed processes, a hundred machines, whole sandboxes; CI runs both'
	@echo 'make test-keycloak  the portal against a real Keycloak, which Maven fetches; CI runs it too'
	@echo 'make test-deploy  image, compose.yaml and Helm chart, as far as they go without an engine; CI runs it'
	@echo 'make check        the same without tests'
	@echo 'make fmt          format the code'
	@echo 'make bench        measure the numbers of the design'
	@echo 'make screenshots  take the pictures of docs/screenshots again'
	@echo 'make lock         compile requirements*.in into pins'
	@echo 'make clean        remove the virtual environment and caches (the data in $(VAR) stays)'

# The stamp changes with the pins, so a pull that changes them installs again.
$(VENV)/stamp: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	@echo 'Installing the pinned packages into $(VENV) (about a minute, once)…'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

install: $(VENV)/stamp

run: install
	@exec $(BIN)/python -m cmlmanager.sandbox --port $(PORT) --var $(VAR) $(RUN_OPTIONS)

# What pip cannot give: a browser for the live pages. Installed when we may, named when we may not.
system:
	@command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    echo 'Installing chromium…'; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-dejavu-core >/dev/null; \
	  else echo 'The browser tests need Chromium. Install it (Debian: apt-get install chromium) and run again.' >&2; exit 1; fi; }

# PostgreSQL's server, for tests that start one of their own.
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    echo 'Installing postgresql…'; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null; \
	  else echo 'These tests need the PostgreSQL server. Install it (Debian: apt-get install postgresql) and run again.' >&2; exit 1; fi; }

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint templates --check --lint --quiet
	SECRET_KEY=check $(BIN)/mypy cmlmanager accounts workers labs
	$(BIN)/lint-imports
	tests/check_settings.sh $(BIN)/python

test: check system
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m 'not slow and not keycloak and not deploy'

test-slow: install system
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m slow

# Exit status 3 of prepare.sh: no Java or Maven here. It has said so; under CI it is 1.
test-keycloak: install system
	@tests/keycloak/prepare.sh || { status=$$?; [ $$status = 3 ] && exit 0; exit $$status; }; \
	  $(BIN)/python -m tests.keycloak.distribution && $(BIN)/python -m pytest -m keycloak --timeout 300 tests/keycloak

# The image's steps run locked into folders, which needs root; its checkers are built from Go modules, once.
test-deploy: install postgres
	$(BIN)/python -m pytest -m deploy

fmt: install
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .
	$(BIN)/djlint templates --reformat --quiet || true

bench: install
	$(BIN)/python -m tests.bench

screenshots: install system
	$(BIN)/python -m tests.browser.screenshots

lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --no-header --upgrade --universal --python-version 3.11 requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --no-header --upgrade --universal --python-version 3.11 requirements-dev.in -c requirements.txt -o requirements-dev.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage htmlcov test-artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
