# make demo: everything on a fresh machine, without data.   make test: checks and tests.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
DEMO := demo

.PHONY: demo test test-gpu lint app

$(VENV)/.installed: requirements.txt requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --no-compile -r requirements.txt -c requirements.lock
	touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(VENV)/bin/pip install --quiet --no-compile -r requirements-dev.txt -c requirements.lock
	touch $@

test: $(VENV)/.installed-dev lint
	$(RUN) -m pytest -n 2 --dist loadfile -m "not gpu"

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy *.py metrics data phantoms vit training report benchmarks
	$(VENV)/bin/lint-imports --no-cache --no-logo

# What report.app puts into app.html. The result is tracked: only who changes report/browser needs node.
app:
	cd report/browser && npm ci && node build.mjs

test-gpu: $(VENV)/.installed-dev
	$(RUN) -m pytest -m gpu

# Made-up CT pictures of a scanner that the weights in the box have not seen, a short fine-tuning, predictions
# and their picture.
demo: $(VENV)/.installed $(DEMO)/ProcessedFolder/manifest.csv config.yml
	$(RUN) train.py --Config config.yml --device auto --data_folder $(DEMO)/ProcessedFolder --epochs 6
	$(RUN) predict.py --Path $(DEMO)/ProcessedFolder/val --Path_Checkpoint ViT.ckpt --OUTPUT predictions.png
	$(RUN) -m report.evaluate --predictions predictions.csv --manifest $(DEMO)/ProcessedFolder/manifest.csv --column vessel

$(DEMO)/phantoms/manifest.csv: $(VENV)/.installed
	$(RUN) -m phantoms.mpr --OUTPUT $(DEMO)/phantoms --patients 150 --views 2 --vessels 2 --seed 1 --scanner other

$(DEMO)/ProcessedFolder/manifest.csv: $(DEMO)/phantoms/manifest.csv
	$(RUN) -m data.prepare --Path $(DEMO)/phantoms --OUTPUT $(DEMO)/ProcessedFolder --val_share 0.25

config.yml:
	$(RUN) CONFIG.py
