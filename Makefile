# Every target first builds .venv if it is missing or requirements.lock has changed.
#   make demo    the whole pipeline on real paintings, then a batch restoration; ends with the report's path
#   make test    the tests            make lint   format, lint and types
#   make check-fast   lint, and the unit tests without the slow ones, for use while you work
#   make bench   the figures          make serve  the nightly schedule, served from this terminal
#   make weights NAME=detector   trains a shipped network by its recipe; also MINUTES=2 OUT=DIR IMAGES="DIR ..." EXCLUDE=LIST
SHELL    := /bin/bash
PYTHON   ?= python3
VENV     := .venv
BIN      := $(VENV)/bin
READY    := $(VENV)/.ready
export OMP_NUM_THREADS ?= 1
export NO_ALBUMENTATIONS_UPDATE := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export DO_NOT_TRACK := 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo test unit check-fast lint format bench serve docs deps weights lock clean-venv

demo: $(READY)
	@$(BIN)/pentimento demo

# The tests of a file share slow fixtures, so they stay together; the slowest files come first (tests/flows).
# They are grouped by file, not by xdist's marks: pytest 9.2 renamed the attribute that the marks use.
test: $(READY)
	@$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

unit: $(READY)
	@$(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 0 -m "not slow" tests/unit tests/test_architecture.py $(ARGS)

# Side by side, since mypy uses one core. Make prints the output of each when it ends.
check-fast: $(READY)
	@$(MAKE) --no-print-directory -j 2 -O lint unit

lint: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY)
	@for script in $(filter-out benchmarks/figures.py benchmarks/improving.py benchmarks/originals.py benchmarks/inpaint.py \
	  benchmarks/scans.py benchmarks/gigapixel.py, \
	  $(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

serve: $(READY)
	@$(BIN)/pentimento nightly

weights: $(READY)
	@$(BIN)/pentimento weights $(NAME) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(OUT),--out $(OUT)) \
	  $(foreach folder,$(IMAGES),--images $(folder)) $(if $(EXCLUDE),--exclude $(EXCLUDE))

docs: $(READY)
	@$(BIN)/python -m pipeline reference > docs/params.md

# --compile-bytecode: if PYTHONDONTWRITEBYTECODE is set, as in many containers, every process would compile torch
# again, which takes twice as long as the rest of a short stage.
# uv reads find-links neither from pip's environment nor from its configuration files, so both are passed on.
$(READY): requirements.lock pyproject.toml
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@links="$$($(BIN)/python -m pip config get global.find-links 2>/dev/null || true)"; \
	links="$${UV_FIND_LINKS:-$${PIP_FIND_LINKS:-$$links}}"; \
	if $(BIN)/python -m pip install --quiet uv; then \
		VIRTUAL_ENV=$(VENV) UV_FIND_LINKS="$${links// /,}" $(BIN)/uv pip install --quiet --compile-bytecode -r requirements.lock && \
		VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --no-deps -e .; \
	else \
		$(BIN)/python -m pip install --quiet -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --no-deps -e .; \
	fi
	@touch $@

# Write the code that each stage imports into dvc.yaml.
deps: $(READY)
	@$(BIN)/python -m pipeline deps

# Resolve pyproject.toml again. Local version labels (+cpu) are removed: the lock names no build and no index.
lock:
	@$(PYTHON) -m venv .venv-lock && .venv-lock/bin/python -m pip install --quiet -e '.[dev]'
	@.venv-lock/bin/python -m pip freeze --exclude-editable | sed -E 's/\+(cpu|cu[0-9]+)$$//' > requirements.lock
	@rm -rf .venv-lock
