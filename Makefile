# Each target sets up what it needs by itself: Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Else each worker compiles every test anew, each time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo up test setup lint format docs audit bench lock clean

demo: setup
	@$(BIN)/armillary demo

# Not below a shell, which would get Ctrl-C too.
up: setup
	@exec $(BIN)/armillary up

test: setup
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

setup: $(READY)

# The lock is whole, so nothing is resolved here (--no-deps); pip check proves that it is.
# Bytecode is written here once, of what a Prefect server and the commands import and of nothing
# else: a temporary server then starts in half the time.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Armillary needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@echo "Setting up $(VENV) (about a minute, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes --requirement requirements.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check --disable-pip-version-check --quiet
	@$(BIN)/python -W ignore -c 'import prefect.server.api.server' >/dev/null 2>&1 & \
	$(BIN)/python -W ignore -c 'import cli.demo, moto.server, moto.s3.responses, \
		flows.publish_venue, flows.restore_workspace, flows.verify_backup' >/dev/null 2>&1; wait
	@$(BIN)/python -m compileall -q armillary blocks tasks flows cli simulator || true
	@touch $@

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy armillary blocks tasks flows cli simulator tests benchmarks docs_site .ci/audit.py
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/hadolint Dockerfile

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The site of docs/, in build/site: strict, so a link that leads nowhere fails.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

# Known holes in what the lock pins, by the OSV database; says so where that cannot be reached.
audit: setup
	@$(BIN)/python .ci/audit.py

bench: setup
	$(BIN)/python -m benchmarks

# Renews requirements.lock: newest versions that pyproject.toml allows, with hashes, no addresses.
# Then what the image needs of it, with what builds the code: the same pins, without the tools.
LOCK := $(BIN)/pip-compile --quiet --allow-unsafe --no-strip-extras --generate-hashes \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-header

lock: setup
	$(LOCK) --upgrade --all-extras --output-file requirements.lock pyproject.toml
	$(LOCK) --no-annotate --extra postgresql --extra connector --extra calendars \
		--build-deps-for wheel --constraint requirements.lock \
		--output-file deploy/requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
