# make lab    open the workshop in JupyterLab
# make test   run everything: lint, types, units, images, every notebook, the embedded engine
# make bench  measure the services beside a tutorial's, and the engines side by side (Linux; needs wrk and h2load)
# make clean  remove what the others made, here and on the Docker Engine

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := lab
.PHONY: lab test bench clean lint types

lab: .venv/lab
	@$(BIN)/workshop lab

test: .venv/test lint types
	@echo "Running the tests: the services, the images, every notebook …"
	@$(BIN)/pytest

lint: .venv/test
	@echo "Checking style (ruff) …"
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .

# The services are two programs with modules of the same names, so each is checked by itself.
types: .venv/test
	@echo "Checking types (mypy) …"
	@$(BIN)/workshop stubs
	@$(BIN)/mypy --no-error-summary workshop pocket_engine benchmarks/*.py
	@cd services/recommendations && ../../$(BIN)/mypy --no-error-summary --config-file ../../pyproject.toml .
	@cd services/marketplace && ../../$(BIN)/mypy --no-error-summary --config-file ../../pyproject.toml .

bench: .venv/lab
	@$(BIN)/python -m benchmarks && $(BIN)/python -m benchmarks.engines

clean:
	@$(BIN)/workshop clean 2>/dev/null || \
	echo "No working .venv here, so the Docker Engine is left as it is; make lab, then make clean, cleans it too."
	@echo "Removing everything here that git ignores: .venv, stubs, caches, work/ …"
	@git clean -ffdXq

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Python 3.11 or newer is needed; name one: make lab PYTHON=python3.13"; exit 1; }
	@echo "Making the virtual environment .venv …"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
	echo "This Python cannot make virtual environments; on Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }

.venv/lab: requirements/lab.txt pyproject.toml | .venv/bin/python
	@echo "Installing JupyterLab and the workshop's packages (a minute or two, once) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/lab.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/test: requirements/test.txt .venv/lab .venv/scanner
	@echo "Installing what the tests need …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements/test.txt
	@touch $@

.venv/scanner: requirements/scanner.txt | .venv/bin/python
	@echo "Installing the policy scanner, in an environment of its own …"
	@$(PYTHON) -m venv $@ && $@/bin/pip install --quiet --disable-pip-version-check -r requirements/scanner.txt
	@touch $@
