# Every target works from a fresh clone: what it needs is put into .venv first, and only when pyproject.toml or the
# compiled part changed since. PYTHON chooses the interpreter, 3.11 or newer.

PYTHON ?= python3
JOBS   ?= 2
BIN    := .venv/bin
READY  := .venv/ready

# What `make demo` records, and reads again.
CAPTURE ?= build/demo.pcapng

# How many rounds each soak runs.
PYTIO_SOAK ?= 10000

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs bench soak clean

help:
	@echo 'make demo    bring a device into a confidential VM, on models; then decode and verify the capture of it'
	@echo 'make test    run the test-suite'
	@echo 'make lint    check style, types, import contracts and docstrings'
	@echo 'make docs    build the documentation into docs/_build/html'
	@echo 'make bench   measure; docs/performance.md keeps the results'
	@echo 'make soak    run the long seeded tests, PYTIO_SOAK=$(PYTIO_SOAK) rounds each'
	@echo 'make clean   remove .venv and everything that was built'

demo: $(READY)
	@mkdir -p $(dir $(CAPTURE))
	$(BIN)/pytio demo --write $(CAPTURE)
	$(BIN)/pytio decode --verify $(CAPTURE) >$(CAPTURE:.pcapng=.txt)

test: $(READY)
	$(BIN)/pytest -n $(JOBS) $(ARGS)

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/interrogate src

docs: $(READY)
	$(BIN)/sphinx-build -W --keep-going -n $(SPHINXOPTS) -b html docs docs/_build/html

bench: $(READY)
	$(BIN)/pytest --bench tests/bench $(ARGS)

soak: $(READY)
	PYTIO_SOAK=$(PYTIO_SOAK) $(BIN)/pytest -m soak -n $(JOBS) $(ARGS)

clean:
	rm -rf .venv build dist docs/_build docs/notebooks src/pytio.egg-info
	find src -name '*.so' -delete

# `venv` without `ensurepip` (Debian without python3-venv) leaves a folder with no pip in it, so pip is what is looked for.
$(READY): pyproject.toml setup.py $(wildcard src/pytio/_accel/*.pyx src/pytio/_accel/*.pxd)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'pytio needs Python 3.11 or newer: make PYTHON=python3.12 ...'; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@
