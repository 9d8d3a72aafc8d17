# The two commands of a new user are `make demo` and `make test`; both make .venv and install what they need.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo run quick test test-all coverage lint hooks npm docs locked lock sbom licences release bench bench-full load soak fuzz autobahn console-picture clean

demo: $(VENV)/.run  ## start the server with one simulated camera
	@echo "The log below tells the console's address and, where API_TOKEN is not set, the token. Ctrl-C ends."
	$(BIN)/python gphoto_ws_server.py --simulate

run: $(VENV)/.run  ## serve the cameras that are plugged in
	$(BIN)/python gphoto_ws_server.py

quick: lint  ## the checks and the tests of every layer that take less than a minute, while you work
	$(BIN)/python -m pytest -q -n 4 tests/protocol tests/camera tests/service tests/integration tests/test_settings.py tests/test_imports.py

test: lint  ## every check and test
	$(BIN)/python -m pytest -n 4

# Each Python that the README promises, with an environment of its own; one that is not here is named and passed over.
test-all:  ## the tests under every supported Python that is here
	@for version in 3.11 3.12 3.13; do \
		if python$$version -c 'import venv, ensurepip' 2>/dev/null; then \
			echo "== Python $$version"; $(MAKE) --no-print-directory test PYTHON=python$$version VENV=.venv-$$version || exit 1; \
		else echo "== Python $$version is not here: not tested"; fi; done

coverage: $(VENV)/.dev  ## the tests, with the branches that they take in servers and camera processes too; lists what is not covered
	$(BIN)/python -m tests.covered -n 4

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=.:clients/python/src $(BIN)/lint-imports

hooks: $(VENV)/.dev  ## run the checks of `make lint` before each commit
	$(BIN)/pre-commit install

npm: tests/npm/node_modules/.installed  ## the npm programs that some tests run; without them those are skipped

tests/npm/node_modules/.installed: tests/npm/package.json
	npm install --prefix tests/npm --no-package-lock --no-fund --no-audit
	@touch $@

docs: $(VENV)/.dev  ## write docs/protocol.md and docs/asyncapi.yaml anew from the declarations in protocol/
	$(BIN)/python -m docs.generator

bench: $(VENV)/.bench  ## how fast it is, beside peers and limits, in two minutes
	$(BIN)/python -m benchmarks --quick

bench-full: $(VENV)/.bench  ## the same with many rounds; writes docs/performance.md and docs/performance.svg
	$(BIN)/python -m benchmarks --full --write

load: $(VENV)/.dev  ## a crowd around the server for a minute (LOAD_SECONDS): frames/s, memory, stalls
	$(BIN)/python -m benchmarks.load

SECONDS ?= 60
SEED ?= $(shell date +%s)
fuzz: $(VENV)/.dev  ## cameras that answer with anything, for SECONDS; SEED repeats a run
	FUZZ_SECONDS=$(SECONDS) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -s tests/faults/test_hostile_cameras.py

# The suite is written for Python 2.7 and for nothing newer.
PYTHON2 ?= python2.7
AUTOBAHN := $(CURDIR)/.autobahn
autobahn: $(VENV)/.dev $(AUTOBAHN)/bin/wstest  ## the Autobahn test suite against the WebSocket side
	PYTHONUSERBASE=$(AUTOBAHN) $(BIN)/python -m tests.conformance.autobahn $(PYTHON2) -W ignore $(AUTOBAHN)/bin/wstest

$(AUTOBAHN)/bin/wstest:
	PYTHONUSERBASE=$(AUTOBAHN) $(PYTHON2) -m pip install --quiet --user autobahntestsuite==25.10.1

MINUTES ?= 10
soak: $(VENV)/.dev  ## a server under every fault there is, for MINUTES (10); everything accounted for at the end
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

console-picture: $(VENV)/.dev  ## docs/console.png: the console page with a simulated camera; needs chromium
	$(BIN)/python -m tests.console.take_picture docs/console.png

# pip names each package as it comes: the first time it fetches about 25 MB for the server, and 150 MB more for the tests.
PIP := $(BIN)/python -m pip --disable-pip-version-check

define new-environment
@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: sudo apt-get install python3 python3-venv"; exit 1; }
@echo "== Making the environment $(VENV) with $(PYTHON)"
@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: sudo apt-get install python3-venv"; exit 1; }
endef

$(VENV)/.run: requirements.txt
	$(new-environment)
	@echo "== Installing what the server needs into $(VENV): once, a minute on a slow connection"
	$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	@echo "== Installing what the checks and tests need into $(VENV): once, some minutes on a slow connection"
	$(PIP) install -r requirements-dev.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.dev requirements-bench.txt
	$(PIP) install -r requirements-bench.txt
	@touch $@

# A release: exactly the files that were tested, for the service and for Docker.
locked: $(VENV)/.locked  ## the environment for the service: exactly the files in requirements.lock, checked by their hashes

$(VENV)/.locked: requirements.lock
	$(new-environment)
	@echo "== Installing exactly what requirements.lock names into $(VENV)"
	$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

# For every Python and machine at once. The second half fails where one of them has no ready build.
lock: $(VENV)/.dev  ## write requirements.lock anew from requirements.txt, with the newest versions that it allows
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" -o requirements.lock requirements.txt
	@for machine in x86_64 aarch64; do for python in 3.11 3.12 3.13; do \
		$(BIN)/uv pip install --quiet --dry-run --require-hashes --only-binary :all: --target $(VENV)/none \
			--python-platform $$machine-manylinux_2_28 --python-version $$python -r requirements.lock || exit 1; done; done

RELEASE := .venv-release
sbom: $(VENV)/.dev  ## dist/sbom.cdx.json: all that the locked environment brings, as CycloneDX
	@$(MAKE) --no-print-directory locked VENV=$(RELEASE)
	$(BIN)/python -m docs.generator.third_party $(RELEASE)/bin/python --sbom dist/sbom.cdx.json

licences: $(VENV)/.dev  ## dist/third-party-licences.md: the licences of all that, with their texts
	@$(MAKE) --no-print-directory locked VENV=$(RELEASE)
	$(BIN)/python -m docs.generator.third_party $(RELEASE)/bin/python --licences dist/third-party-licences.md

# The tag is the last step: without it there is no release. Nothing is pushed. Untracked caches do not get into the files: they are built from a clone.
release: $(VENV)/.dev  ## check, test and build a release into dist/, and tag it; CONTRIBUTING.md has the steps before and after
	$(BIN)/python -m docs.generator.release
	$(MAKE) --no-print-directory test
	rm -rf dist
	git clone --quiet . dist/source
	$(BIN)/python -m build --no-isolation --outdir dist dist/source
	$(BIN)/python -m build --no-isolation --outdir dist dist/source/clients/python
	rm -rf dist/source
	@$(MAKE) --no-print-directory sbom licences
	version=$$($(BIN)/python -m docs.generator.release) && git tag --annotate "v$$version" --message "gphoto-ws-server $$version"
	@ls -l dist

clean:
	rm -rf $(VENV) .venv-3.* $(RELEASE) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .autobahn tests/npm/node_modules
