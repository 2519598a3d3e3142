# The two commands a newcomer needs: `make demo` and `make test`.
# Both make .venv and install into it; nothing else on the machine is touched.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Real audio for development lies beside the project, where it is there at all.
ifneq ($(wildcard ../shared/data/README.md),)
export KILOHEAR_DATA ?= $(abspath ../shared/data)
endif
# Spinning threads slow each other down several times over on a busy machine.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test lint clean

demo: $(VENV)/demo.stamp
	$(BIN)/kilohear demo

test: lint
	$(BIN)/pytest

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
	$(BIN)/pip install --quiet --editable '.[bench,cluster,desktop,dev,peers,training]'
	touch $@

clean:
	rm -rf $(VENV) runs cache
