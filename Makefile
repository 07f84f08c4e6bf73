# Two commands do everything on a fresh machine with Python 3.11+, git and a package registry:
#   make repro   the pipeline on the embedded data, its table on screen
#   make test    lint, types, tests
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: repro test setup format
.DEFAULT_GOAL := repro

repro: setup
	@git rev-parse --verify -q HEAD >/dev/null 2>&1 || { \
	  echo "DVC keeps its experiments in git, and this folder has no commit (a zip download?). Run:"; \
	  echo "  git init && git add -A && git commit -m start && make repro"; exit 1; }
	dvc repro
	@cat metrics/table.md

test: setup
	ruff check .
	ruff format --check .
	mypy
	pytest -q

format: setup
	ruff check --fix .
	ruff format .

setup: $(VENV)/installed

$(VENV)/installed: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and \
	  "Python 3.11 or newer is needed, this is %d.%d; try make PYTHON=python3.12" % v[:2])'
	@echo "Setting up $(VENV): PyTorch with its CUDA libraries is some gigabytes, once"
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check -r requirements.txt -c constraints.txt
	@touch $@
