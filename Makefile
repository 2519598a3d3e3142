# What a newcomer needs: `make demo`, `make test` and `make benchmark`.
# All make .venv and install into it; nothing else on the machine is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Real audio for development lies beside the project, where it is there at all.
ifneq ($(wildcard ../shared/data/README.md),)
export KILOHEAR_DATA ?= $(abspath ../shared/data)
endif
# Spinning threads slow each other down several times over on a busy machine.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: benchmark demo test lint clean

demo: $(VENV)/demo.stamp
	$(BIN)/kilohear demo

test: lint
	$(BIN)/pytest

# Leave the machine alone meanwhile: under ten minutes. PARTS="--part start" measures one.
PEER := runs/peers/mobilenet_v2-16khz

benchmark: $(PEER)/card.json
	$(BIN)/kilohear bench-speed --peer-bundle $(PEER) --out bench/results/speed $(PARTS)

$(PEER)/card.json: $(VENV)/test.stamp training/benchmarks/untrained_bundle.py
	$(BIN)/python training/benchmarks/untrained_bundle.py --out $(PEER)

lint: $(VENV)/test.stamp
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/demo.stamp: pyproject.toml $(VENV)/pyvenv.cfg
	$(BIN)/pip install --quiet --editable '.[bench,desktop]'
	touch $@

$(VENV)/test.stamp: pyproject.toml $(VENV)/pyvenv.cfg
	$(BIN)/pip install --quiet --editable '.[board,cluster,desktop,dev,meters,peers,phone,privacy,training]'
	touch $@

clean:
	rm -rf $(VENV) runs cache
