# make demo: everything on a fresh machine, without data.   make test: checks and tests.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
DEMO := demo

.PHONY: demo test test-gpu lint

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

test-gpu: $(VENV)/.installed-dev
	$(RUN) -m pytest -m gpu

# Phantom images, a short training on them, predictions and their pictures. The model is small, so that two
# cores train it in minutes; the defaults of CONFIG.py are for a user's own images.
DEMO_MODEL := --image_size 128 --embedding_size 96 --num_heads 4 --num_hidden_layers 3 --mlp_ratio 2
DEMO_RECIPE := --epochs 9 --batch_size 32 --lr 1e-3 --flip horizontal --rotate 0 --zoom 0 --contrast 0 --noise 0

demo: $(VENV)/.installed $(DEMO)/ProcessedFolder/manifest.csv config.yml
	$(RUN) train.py --Config config.yml --device auto --data_folder $(DEMO)/ProcessedFolder $(DEMO_MODEL) $(DEMO_RECIPE)
	$(RUN) predict.py --Path $(DEMO)/ProcessedFolder/val --Path_Checkpoint ViT.ckpt --OUTPUT predictions.png
	$(RUN) -m report.evaluate --predictions predictions.csv --manifest $(DEMO)/ProcessedFolder/manifest.csv --column lesion_type

$(DEMO)/phantoms/manifest.csv: $(VENV)/.installed
	$(RUN) -m phantoms.ct --OUTPUT $(DEMO)/phantoms --patients 2200 --views 2 --image_size 128

$(DEMO)/ProcessedFolder/manifest.csv: $(DEMO)/phantoms/manifest.csv
	$(RUN) -m data.prepare --Path $(DEMO)/phantoms --OUTPUT $(DEMO)/ProcessedFolder --image_size 128 --val_share 0.1

config.yml:
	$(RUN) CONFIG.py
