# Each target sets up what it needs by itself: Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Else each worker compiles every test anew, each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo up test setup lint format bench lock clean

demo: setup
	@$(BIN)/armillary demo

# Not below a shell, which would get Ctrl-C too.
up: setup
	@exec $(BIN)/armillary up

test: setup
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

setup: $(READY)

# The lock is whole, so nothing is resolved here (--no-deps); pip check proves that it is.
# Bytecode is compiled here once, on all cores, and not by pip on one of them: it halves the time a
# temporary Prefect server takes to start.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Armillary needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV) (about a minute, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check --disable-pip-version-check --quiet
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib armillary blocks tasks flows cli simulator || true
	@touch $@

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks
	$(BIN)/lint-imports
	$(BIN)/codespell

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup
	$(BIN)/python -m benchmarks

# Renews requirements.lock: newest versions that pyproject.toml allows, with hashes, no addresses.
lock: setup
	$(BIN)/pip-compile --quiet --upgrade --all-extras --allow-unsafe --no-strip-extras --generate-hashes \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header \
		--output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
