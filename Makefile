# make demo [ARGS=--once]   see it work        make test    everything a change has to pass
# make quick                checks, unit and golden tests in about 2 min
# make soak                 kill -9, 50 times  make bench   the figures of benchmarks/README.md

VENV := .venv
BIN := $(VENV)/bin
PYTHON_READY := $(VENV)/.python-ready
AGENTS_READY := agents/node_modules/.ready
WORKERS ?= 6
ARGS ?=

export PATH := $(CURDIR)/agents/node_modules/.bin:$(CURDIR)/$(BIN):$(PATH)
# Compiled tests are kept, whatever the shell says: else each worker compiles all of them each time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test quick check pytest soak bench format examples system tracer clean

demo: $(PYTHON_READY) $(AGENTS_READY) system
	$(BIN)/codara demo $(ARGS)

test: check pytest

quick: check
	$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup -m "not soak" tests/unit $(ARGS)

check: $(PYTHON_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

pytest: $(PYTHON_READY) $(AGENTS_READY) system tracer
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -rs --durations=10 -m "not soak" $(ARGS)

soak: $(PYTHON_READY) $(AGENTS_READY) system
	$(BIN)/pytest -m soak $(ARGS)

bench: $(PYTHON_READY) $(AGENTS_READY) system
	set -e; for bench in $$(grep -l '__main__' benchmarks/*.py | grep -v load); do \
		$(BIN)/python -m benchmarks.$$(basename $$bench .py) $(ARGS); \
	done

format: $(PYTHON_READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

examples: $(PYTHON_READY)
	$(BIN)/python -m codara.config.example

$(PYTHON_READY): pyproject.toml scripts/python.sh
	scripts/python.sh
	@touch $@

$(AGENTS_READY): agents/package.json agents/package-lock.json | $(PYTHON_READY)
	$(BIN)/python -m codara.demo.tools
	@touch $@

system:
	@scripts/system.sh

tracer:
	@command -v strace >/dev/null || scripts/apt.sh strace

clean:
	rm -rf $(VENV) agents/node_modules .codara dist
