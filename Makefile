# `make help` lists the targets.

PYTHON ?= python3
BIN := $(CURDIR)/.venv/bin
INSTALLED := .venv/.installed
RECIPE := recipes/LibriSpeech/ASR/CTC
RUN = runs/$(subst -,_,$@)
DEMO_MODEL := lact_demo
DEMO_FILES := find corpus/LibriSpeech/test -name '*.flac' | sort | head -n
DEMO_EPOCHS ?= 15
# the last epoch trains on joined sentences, for files longer than one sentence
DEMO_ARGS ?= --long_form_finetune_seconds 20 --long_form_finetune_lr_scale 0.1
COMPARE_ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo demo-streaming compare test test-newest test-oldest \
	check check-fast results docs clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r target text; do printf '  %-14s %s\n' "$$target" "$$text"; done

install: $(INSTALLED) ## Make .venv and install the package into it (PYTHON=... chooses)

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "$(PYTHON) is not Python 3.10-3.13; try: make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || \
		{ echo "cannot make .venv; on Debian: apt install python3-venv" >&2; exit 2; }
	@echo "Installing into .venv (about 5 GB, some minutes) ..."
	@$(BIN)/pip install --editable '.[demo,test,dev]'
	@$(call build-flashlight,$(BIN)/python)
	@touch $@

# there are wheels up to Python 3.12
build-flashlight = $(1) -c 'import flashlight.lib.text' 2>/dev/null || \
	tools/build_flashlight.sh $(1)

demo: install ## Make a corpus, train, test and transcribe on this CPU
	$(train-demo)
	$(BIN)/lact-asr transcribe --model $(RUN) --beam-size 50 --lm $(RUN)/lm.arpa \
		$$($(DEMO_FILES) 3)
	@$(BIN)/python tools/demo_summary.py $(RUN)

demo-streaming: DEMO_MODEL := lact_streaming_demo
# it is trained on joined sentences anyway
demo-streaming: DEMO_EPOCHS := 14
demo-streaming: DEMO_ARGS :=
demo-streaming: install ## The same with a model for stream and serve; transcribe a file as a stream
	$(train-demo)
	$(BIN)/lact-asr stream --model $(RUN) --beam-size 50 --lm $(RUN)/lm.arpa \
		$$($(DEMO_FILES) 1)
	@$(BIN)/python tools/demo_summary.py $(RUN) --streams

define train-demo
	$(BIN)/lact-asr synth corpus
	$(BIN)/lact-asr prepare librispeech corpus/LibriSpeech $(RUN)/manifests --splits train
	$(BIN)/lact-asr ngram $(RUN)/manifests/train.jsonl --order 3 --output $(RUN)/lm.arpa
	cd $(RECIPE) && $(BIN)/python train.py hparams/$(DEMO_MODEL).yaml \
		--data_folder ../../../../corpus/LibriSpeech --dataset_name synthetic \
		--output_folder ../../../../$(RUN) --num_epochs $(DEMO_EPOCHS) \
		--decoding '{beam_size: 50, lm: ../../../../$(RUN)/lm.arpa}' $(DEMO_ARGS)
endef

compare: install ## Train four encoders with three seeds on DATA=.../LibriSpeech, compare
	@test -n "$(DATA)" || { echo "make compare DATA=FOLDER: which corpus?" >&2; exit 2; }
	$(BIN)/python benchmarks/compare_systems.py --data_folder "$(DATA)" --epochs 10 \
		$(COMPARE_ARGS) -- '--frontend={channels: 40}'

test: install ## Run the tests and doctests; measure coverage
	$(BIN)/pytest --numprocesses auto --dist loadfile --cov=lact_modules

test-newest: RESOLUTION := highest
test-newest: ## Run the tests in .venv-newest, with the newest packages that are allowed
test-oldest: RESOLUTION := lowest-direct
test-oldest: ## Run the tests in .venv-oldest, with the oldest ones

test-newest test-oldest: test-%:
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet uv
	.venv-$*/bin/uv pip install --python .venv-$*/bin/python --upgrade \
		--resolution $(RESOLUTION) --editable '.[demo,test,dev]'
	$(call build-flashlight,.venv-$*/bin/python)
	.venv-$*/bin/pytest --numprocesses auto --dist loadfile

check: check-fast docs test ## All lints, the site, then the tests

check-fast: install ## Lints, types, import layers, docstrings, YAML, tables of docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pydoclint --quiet lact_modules recipes tools
	$(BIN)/yamllint --strict .
	$(BIN)/python -m tools.render_results --check

results: install ## Render the tables of docs from results/
	$(BIN)/python -m tools.render_results

docs: install ## Build the documentation site in site/; fails at any warning
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

clean: ## Remove .venv, caches and build leftovers; keeps corpus/ and runs/
	rm -rf .venv .venv-newest .venv-oldest *.egg-info build dist site htmlcov .coverage \
		.pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find lact_modules recipes tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
