# Instructions of the FFT beside those of CMSIS-DSP, into bench/results/apollo3:
#   make -f bench/apollo3/checks/checks.mk compare PYTHON=.venv/bin/python
# CMSIS-DSP (Apache-2.0) is fetched into build/.cmsis, which linters pass over, checked and
# compiled; nothing of it is kept.

CHECKS := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
REPOSITORY := $(abspath $(CHECKS)/../../..)
CMSIS := $(abspath $(CHECKS)/../build/.cmsis)
CMSIS_VERSION := 1.10.3
CMSIS_SHA256 := 307d32298faa7c58db912851027fce35f886fec7eb1a27c4b309ce1a97f47519
CMSIS_SOURCE := $(CMSIS)/cmsisdsp-$(CMSIS_VERSION)
PYTHON ?= python3

.PHONY: compare
compare: $(CMSIS_SOURCE)/PKG-INFO
	cd $(REPOSITORY) && PYTHONPATH=sdk:bench $(PYTHON) bench/apollo3/checks/compare.py \
	    --cmsis $(CMSIS_SOURCE) --out bench/results/apollo3/fft.json

# Its metadata are made by its build script, which wants these tools although nothing is built.
$(CMSIS_SOURCE).tar.gz:
	mkdir -p $(CMSIS)
	$(PYTHON) -m venv $(CMSIS)/tools
	$(CMSIS)/tools/bin/pip install --quiet setuptools wheel cmake numpy
	cd $(CMSIS) && PATH=$(CMSIS)/tools/bin:$$PATH pip download --quiet --no-deps \
	    --no-build-isolation --no-binary :all: cmsisdsp==$(CMSIS_VERSION)

$(CMSIS_SOURCE)/PKG-INFO: $(CMSIS_SOURCE).tar.gz
	echo "$(CMSIS_SHA256)  $<" | sha256sum --check --quiet
	tar -xzf $< -C $(CMSIS)
	touch $@
