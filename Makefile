# New here? Use `make demo` and `make test`. Both create .venv and install the packages that they need.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo run quick test test-all coverage lint hooks npm docs locked lock sbom licences release bench bench-full load soak kill-9 timelapse-kill-9 machine aarch64 simulate fuzz autobahn console-picture clean

demo: $(VENV)/.run  ## start the server with one simulated camera
	@echo "The log below shows the address of the console and, if API_TOKEN is not set, the token. Press Ctrl-C to stop."
	$(BIN)/python gphoto_ws_server.py --simulate

run: $(VENV)/.run  ## start the server with the connected cameras
	$(BIN)/python gphoto_ws_server.py

quick: lint  ## the checks, and the tests of every layer that together take less than a minute
	$(BIN)/python -m pytest -q -n 4 --dist worksteal tests/protocol tests/camera tests/service tests/integration tests/test_settings.py tests/test_imports.py

test: lint  ## all checks and tests
	$(BIN)/python -m pytest -n 4 --dist worksteal

# Each Python version that the README promises, in its own environment. A version that is not installed is skipped with a message.
test-all:  ## the tests with every supported Python that is installed
	@for version in 3.11 3.12 3.13; do \
		if python$$version -c 'import venv, ensurepip' 2>/dev/null; then \
			echo "== Python $$version"; $(MAKE) --no-print-directory test PYTHON=python$$version VENV=.venv-$$version || exit 1; \
		else echo "== Python $$version is not installed: skipped"; fi; done

coverage: $(VENV)/.dev  ## branch coverage of the tests, including servers and camera processes; lists what is not covered
	$(BIN)/python -m tests.covered -n 4 --dist worksteal

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=.:clients/python/src $(BIN)/lint-imports

hooks: $(VENV)/.dev  ## run the checks of `make lint` before each commit
	$(BIN)/pre-commit install

npm: tests/npm/node_modules/.installed  ## install the npm programs that some tests run; without them these tests are skipped

tests/npm/node_modules/.installed: tests/npm/package.json
	npm install --prefix tests/npm --no-package-lock --no-fund --no-audit
	@touch $@

docs: $(VENV)/.dev  ## generate docs/protocol.md, docs/asyncapi.yaml and the types of the JavaScript client from the declarations in protocol/
	$(BIN)/python -m docs.generator

bench: $(VENV)/.bench  ## benchmarks, compared with other programs and with limits, in two minutes
	$(BIN)/python -m benchmarks --quick

bench-full: $(VENV)/.bench  ## the same with more rounds; writes docs/performance.md and docs/performance.svg
	$(BIN)/python -m benchmarks --full --write

load: $(VENV)/.dev  ## load test with many clients for a minute (LOAD_SECONDS): frames/s, memory, stalls
	$(BIN)/python -m benchmarks.load

SECONDS ?= 60
SEED ?= $(shell date +%s)
fuzz: $(VENV)/.dev  ## test with cameras that send random data, for SECONDS; SEED repeats a run
	FUZZ_SECONDS=$(SECONDS) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -s tests/faults/test_hostile_cameras.py

# The Autobahn suite runs only with Python 2.7.
PYTHON2 ?= python2.7
AUTOBAHN := $(CURDIR)/.autobahn
autobahn: $(VENV)/.dev $(AUTOBAHN)/bin/wstest  ## the Autobahn test suite against the WebSocket side
	PYTHONUSERBASE=$(AUTOBAHN) $(BIN)/python -m tests.conformance.autobahn $(PYTHON2) -W ignore $(AUTOBAHN)/bin/wstest

$(AUTOBAHN)/bin/wstest:
	PYTHONUSERBASE=$(AUTOBAHN) $(PYTHON2) -m pip install --quiet --user autobahntestsuite==25.10.1

MINUTES ?= 10
soak: $(VENV)/.dev  ## soak test with all kinds of faults, for MINUTES (10); at the end every command and file is accounted for
	$(BIN)/python -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

SEEDS ?= 2000
FIRST ?= 0
simulate: $(VENV)/.dev  ## SEEDS (2000) simulations of servers, cameras and disks under virtual time, from seed FIRST on; prints seeds that fail
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST)

KILLS ?= 500
kill-9: $(VENV)/.dev  ## kill the server KILLS (500) times with SIGKILL during shots; then every picture and every outcome is accounted for
	$(BIN)/python -m tests.soak.kills --kills $(KILLS) $(if $(SEED),--seed $(SEED))

FRAMES ?= 300
timelapse-kill-9: $(VENV)/.dev  ## time-lapses of FRAMES (300) slots; every 20 s, the server and the camera processes are killed
	$(BIN)/python -m tests.soak.timelapse --frames $(FRAMES)

CUTS ?= 30
machine: $(VENV)/.dev  ## the installed service in a Debian guest with a USB bus, udev and systemd, and CUTS (30) power cuts; needs root (lab/README.md)
	PYTHONPATH=.:clients/python/src $(BIN)/python -m lab --cuts $(CUTS) $(if $(SEED),--seed $(SEED))

aarch64: $(VENV)/.dev  ## install the server from wheels on an emulated 64-bit Raspberry Pi OS, and take a picture (docs/raspberry-pi.md)
	PYTHONPATH=.:clients/python/src $(BIN)/python -m lab.aarch64

console-picture: $(VENV)/.dev  ## make docs/console.png, a screenshot of the console with a simulated camera; needs chromium
	$(BIN)/python -m tests.console.take_picture docs/console.png

# The output of pip is shown because the first run downloads about 25 MB for the server, and 150 MB more for the tests.
PIP := $(BIN)/python -m pip --disable-pip-version-check

define new-environment
@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: sudo apt-get install python3 python3-venv"; exit 1; }
@echo "== Creating the environment $(VENV) with $(PYTHON)"
@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: sudo apt-get install python3-venv"; exit 1; }
endef

$(VENV)/.run: requirements.txt
	$(new-environment)
	@echo "== Installing the packages of the server into $(VENV). Needed once; takes a minute on a slow connection."
	$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	@echo "== Installing the packages of the checks and tests into $(VENV). Needed once; takes some minutes on a slow connection."
	$(PIP) install -r requirements-dev.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.dev requirements-bench.txt
	$(PIP) install -r requirements-bench.txt
	@touch $@

# For releases, the service and Docker: exactly the files that were tested.
locked: $(VENV)/.locked  ## the environment for the service: exactly the files in requirements.lock, verified by their hashes

$(VENV)/.locked: requirements.lock
	$(new-environment)
	@echo "== Installing exactly the files in requirements.lock into $(VENV)"
	$(PIP) install --require-hashes --only-binary :all: -r requirements.lock
	@touch $@

# One lock file for every Python and machine. The second half fails if a package has no wheel for one of them.
lock: $(VENV)/.dev  ## update requirements.lock from requirements.txt to the newest versions that it allows
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" -o requirements.lock requirements.txt
	@for machine in x86_64 aarch64; do for python in 3.11 3.12 3.13; do \
		$(BIN)/uv pip install --quiet --dry-run --require-hashes --only-binary :all: --target $(VENV)/none \
			--python-platform $$machine-manylinux_2_28 --python-version $$python -r requirements.lock || exit 1; done; done

RELEASE := .venv-release
sbom: $(VENV)/.dev  ## make dist/sbom.cdx.json: everything in the locked environment, as CycloneDX
	@$(MAKE) --no-print-directory locked VENV=$(RELEASE)
	$(BIN)/python -m docs.generator.third_party $(RELEASE)/bin/python --sbom dist/sbom.cdx.json

licences: $(VENV)/.dev  ## make dist/third-party-licences.md: the licences of everything in the locked environment, with their texts
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
