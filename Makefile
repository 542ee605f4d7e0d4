# `make demo` and `make test` set themselves up in .venv: Python 3.10 or later and a C++17 compiler are all they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test slow oldest bench card sanitize clean check

demo: $(VENV)/demo.stamp
	$(BIN)/python tools/walkthrough.py --out build/demo

test: $(VENV)/test.stamp build/import/cpm_kernels
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/python -m pytest

slow: $(VENV)/test.stamp
	$(BIN)/python -m pytest -m slow

# The tests with the oldest packages that pyproject.toml admits, in an environment of their own.
OLDEST := build/oldest

oldest: build/import/cpm_kernels | check
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-oldest.txt -e ".[test]"
	$(OLDEST)/bin/python -m pytest

bench_one = $(BIN)/python tools/bench.py $(1) --json build/bench/$(2).json --plot build/bench/$(2).png \
	--markdown build/bench/$(2).md

bench: $(VENV)/bench.stamp
	mkdir -p build/bench
	$(call bench_one,data,data)
	$(call bench_one,infer --net cpm,infer_cpm)
	$(call bench_one,infer --net vgg,infer_vgg)
	$(call bench_one,poses,poses)
	$(call bench_one,train,train)
	$(call bench_one,exact,exact)
	$(call bench_one,labels,labels)
	$(call bench_one,startup,startup)
	$(call bench_one,scale,scale)

# On a machine with a CUDA card; installs nothing, and is done after so many minutes. Where there is no $(VENV), $(PYTHON)
# must have the packages.
DEVICE ?= cuda
MINUTES ?= 8
CARD ?= build/card

card: build/import/cpm_kernels
	PYTHONPATH=$(CURDIR):$(CURDIR)/build/import:$$PYTHONPATH $(or $(wildcard $(BIN)/python),$(PYTHON)) tools/card.py \
		--device $(DEVICE) --minutes $(MINUTES) --out $(CARD)

# The kernels with clang's sanitizers: undefined, address or thread.
KIND ?= undefined

sanitize: $(VENV)/test.stamp
	tests/kernels/sanitize.sh $(KIND)

# The folder kernels/ under its import name, for what does not ask the installed package.
build/import/cpm_kernels:
	mkdir -p build/import
	ln -sfn ../../kernels $@

SOURCES := setup.py pyproject.toml MANIFEST.in constraints.txt $(wildcard kernels/src/*/*)

$(VENV)/demo.stamp: $(SOURCES) | check
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/test.stamp: $(SOURCES) | check
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@

$(VENV)/bench.stamp: $(SOURCES) | check
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	touch $@

# A sentence for whoever lacks something, before pip fails in its own words.
check:
	@command -v $(PYTHON) >/dev/null || { echo "cpm-repro needs Python 3.10 or later: no $(PYTHON) found (make PYTHON=...)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "cpm-repro needs Python 3.10 or later, found $$($(PYTHON) --version) (make PYTHON=...)" >&2; exit 2; }
	@command -v $${CXX:-c++} >/dev/null || command -v g++ >/dev/null || { echo "cpm-repro needs a C++17 compiler: neither $${CXX:-c++} nor g++ found (CXX=...)" >&2; exit 2; }
	@test -x $(BIN)/python || { echo "setting up $(VENV)"; $(PYTHON) -m venv $(VENV) || { echo "cpm-repro needs Python's venv module (Debian: python3-venv)" >&2; exit 2; }; }

clean:
	rm -rf build $(VENV) *.egg-info kernels/*.so
