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

# `dvc exp run -S` edits params.yaml, and may stage the edit and take outputs away before it is killed.
# touch: git can miss an edit that was made within a tick of the clock.
undo: git
	@test -z "$$(git ls-files -u)" && test ! -e "$$(git rev-parse --git-path MERGE_HEAD)" || { \
	  echo "git is in a merge, or has conflicts (\`git status\`): end that first" \
	  "(docs/running.md, Share results)"; exit 1; }
	@touch params.yaml
	@echo "params.yaml goes back to the last commit's; what it loses (-) and gets (+):"
	@git --no-pager diff --no-color -R -U0 HEAD -- params.yaml | grep '^[-+][^-+]' || echo "  nothing"
	@git checkout -q HEAD -- params.yaml
	@git symbolic-ref -q HEAD >/dev/null || \
	  echo "git is at no branch (a DVC that was killed late leaves it so): \`git switch BRANCH\` goes to yours"
# A killed DVC leaves refs/exps/exec. Worktrees share it, and an experiment may run in another one.
	@git worktree prune
	@if test "$$(git worktree list | wc -l)" -eq 1; then \
	  git for-each-ref --format='delete %(refname)' refs/exps/exec | git update-ref --stdin; \
	elif test -n "$$(git for-each-ref refs/exps/exec)"; then \
	  echo "refs/exps/exec is left alone: an experiment may run in another of \`git worktree list\`"; fi
	@git reset -q HEAD -- dvc.lock metrics  # staged by DVC, which then refuses the next experiment
	@test ! -e .dvc/tmp/rwlock || $(PYTHON) -m json.tool .dvc/tmp/rwlock >/dev/null 2>&1 || { \
	  rm .dvc/tmp/rwlock; echo "removed .dvc/tmp/rwlock, which a full disk has cut short"; }
	@other=$$(git diff --name-only HEAD -- . ':!dvc.lock' ':!data/dvc.lock' ':!metrics' | paste -sd ' '); \
	test -z "$$other" || echo "not as in the last commit, and left alone: $$other"
	@echo "outputs that dvc.lock names and that are not there come back from DVC's cache:"
	@dvc checkout --quiet --allow-missing && echo "  done; \`dvc repro\` goes on from here"

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
