# What a newcomer needs: `make demo`, `make app`, `make test` and `make benchmark`.
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

.PHONY: app benchmark demo test lint clean

demo: $(VENV)/demo.stamp
	$(BIN)/kilohear demo

# The app on a virtual screen, a made-up scene of known sounds at 1 kHz, a screenshot a screen.
APP := runs/app
APP_S := 34

app: $(VENV)/app.stamp
	rm -rf $(APP) && mkdir -p $(APP)
	SDL_VIDEODRIVER=offscreen $(BIN)/kilohear app --source demo-synthetic --bundle esc10-1khz \
	  --language en --folder $(APP)/kept --screenshots $(APP)/screens --for-s $(APP_S) \
	  > $(APP)/seen.jsonl
	$(BIN)/python tests/apps/check_scene.py $(APP)/seen.jsonl $(APP_S)

# As many workers as cores; the tests of a file stay together.
test: lint
	$(BIN)/pytest -n auto --dist loadfile

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

$(VENV)/app.stamp: pyproject.toml $(VENV)/pyvenv.cfg
	$(BIN)/pip install --quiet --editable '.[desktop,ui]'
	touch $@

$(VENV)/test.stamp: pyproject.toml $(VENV)/pyvenv.cfg
	$(BIN)/pip install --quiet --editable '.[apps,board,cluster,desktop,dev,meters,peers,phone,privacy,training]'
	touch $@

clean:
	rm -rf $(VENV) runs cache
