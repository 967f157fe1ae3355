# Two commands for a new user: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
VENV ?= .venv
CORES ?= $(shell nproc)
WORKERS ?= 2
SEED ?= 1
DEMO ?= demo
BIN := $(VENV)/bin
DONE := $(VENV)/.set-up

.PHONY: help setup demo test test-fast test-accuracy test-cluster test-soak lint format docs clean

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

setup: $(DONE)  ## make the virtual environment with the locked versions

$(DONE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(f"exvivo needs Python 3.11 or newer; {sys.executable} is {v[0]}.{v[1]}. Name another one: make PYTHON=python3.12 ..." if v < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[all]'
	@touch $@

$(DEMO)/config/config.yaml: | $(DONE)
	$(BIN)/exvivo simulate demo --out $(DEMO) --seed $(SEED)

demo: $(DONE) $(DEMO)/config/config.yaml  ## simulate a screen and take it from the raw plates to the report
	$(BIN)/snakemake --profile profiles/default --cores $(CORES) --directory $(DEMO)
	$(BIN)/snakemake --profile profiles/default --cores $(CORES) --directory $(DEMO) --report results/workflow.zip --quiet
	@$(BIN)/exvivo compare --directory $(DEMO)

test: $(DONE)  ## run all tests that need no cluster
	$(BIN)/python -m pytest -m 'not cluster and not soak' -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-fast: $(DONE)  ## run the tests that take seconds
	$(BIN)/python -m pytest -m 'not cluster and not soak and not slow and not accuracy' -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-accuracy: $(DONE)  ## run the pipeline on images with a known answer
	$(BIN)/python -m pytest -m accuracy -s

test-cluster: $(if $(EXVIVO_DEMO),$(DONE),demo)  ## run the tests on a Slurm cluster brought up for them (as root), the demo first
	EXVIVO_DEMO=$(or $(EXVIVO_DEMO),$(abspath $(DEMO))) $(BIN)/python -m pytest -m 'cluster and not soak' tests/cluster

test-soak: $(DONE)  ## run whole facilities and nights, here and on a Slurm cluster (as root; an hour)
	$(BIN)/python -m pytest -m soak

lint: $(DONE)  ## check style as CI does
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint --quiet

format: $(DONE)  ## format Python and Snakemake code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

docs: $(DONE)  ## write the tables in config/README.md anew from the schemas
	$(BIN)/python -m exvivo.sheets.document

clean:  ## remove what was made here, the environment included
	rm -rf $(VENV) $(DEMO) results logs .snakemake
