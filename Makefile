# make demo: everything on a fresh machine, without data.   make test: checks and tests.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
DEMO := demo

.PHONY: demo test test-gpu lint lock clean-demo

$(VENV)/.installed: requirements.txt requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet -r requirements.txt -c requirements.lock
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(VENV)/bin/pip install --quiet -r requirements-dev.txt -c requirements.lock
	touch $@

test: $(VENV)/.installed-dev lint
	$(RUN) -m pytest -m "not gpu"

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy *.py vit data benchmarks

test-gpu: $(VENV)/.installed-dev
	$(RUN) -m pytest -m gpu
