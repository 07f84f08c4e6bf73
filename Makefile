# Two commands do everything on a fresh machine with Python 3.11+, git and a package registry:
#   make repro   the pipeline on the embedded data, its table on screen
#   make test    lint, types, tests
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: repro test setup format git
.DEFAULT_GOAL := repro

repro: git setup
	dvc repro
	@cat metrics/table.md

test: git setup
	ruff check .
	ruff format --check .
	mypy
	pytest -q -n 2 --dist loadfile

git:
	@test "$$(git rev-parse --show-toplevel 2>/dev/null)" -ef . && git rev-parse -q --verify HEAD >/dev/null || { \
	  echo "DVC keeps its experiments in git, and this folder is no git repository with a commit"; \
	  echo "(a zip download?). Run:  git init && git add -A && git commit -m start"; exit 1; }

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
