# The two commands of a new user are `make demo` and `make test`; both make .venv and install what they need.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo run test lint first-light photobooth-bench clean

demo: $(VENV)/.run  ## start the server with one simulated camera
	@echo "Try it in another terminal; the token stands in the log below unless API_TOKEN is set. Ctrl-C ends."
	$(BIN)/python gphoto_ws_server.py --simulate

run: $(VENV)/.run  ## serve the cameras that are plugged in
	$(BIN)/python gphoto_ws_server.py

test: lint  ## every check and test
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

first-light: $(VENV)/.dev  ## the figures of the first issue: rates, latencies, memory
	$(BIN)/python -m benchmarks.first_light

photobooth-bench: $(VENV)/.dev  ## the figures of the photobooth: turned previews, photos in one command
	$(BIN)/python -m benchmarks.photobooth

$(VENV)/.run: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: sudo apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The venv module is missing: sudo apt-get install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
