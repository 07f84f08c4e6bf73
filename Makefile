# Two commands do everything on a fresh machine with Python 3.11+, git and a package registry:
#   make repro   the pipeline on the embedded data, its table on screen
#   make test    lint, types, tests
# and one takes back what `dvc exp run -S` left: make undo
PYTHON ?= python3
VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: repro test setup format git undo
.DEFAULT_GOAL := repro

repro: git setup
	dvc repro
	@cat metrics/table.md
	@echo && echo "metrics/accuracy.png shows it class by class."

test: git setup
	ruff check .
	ruff format --check .
	mypy
	pytest -q -n 2 --dist loadfile

undo: git
	@python -m stages.undo

git:
	@git rev-parse -q --verify HEAD:./dvc.yaml >/dev/null 2>&1 || { \
	  echo "DVC keeps its experiments in git, and no commit has this folder's dvc.yaml. Run:"; \
	  git rev-parse --git-dir >/dev/null 2>&1 || echo "  git init"; \
	  echo "  git add -A . && git commit -m start"; exit 1; }

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
