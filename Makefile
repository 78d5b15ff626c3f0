# Every target sets up what it needs in .venv first, pinned by constraints.txt; a second run installs nothing.
#   make demo    the main job on real text in both languages
#   make test    the tests
#   make check   style, types, import contract, size caps
#   make bench   what needs no other data; with DATA=FOLDER of BEIR folders, the tuning runs too (hours)
#   make prove   the slow proofs: kills, damage, long runs
#   make docs    the documentation site, into site/; a link that leads nowhere fails it

PYTHON = python3
BIN = .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test check bench prove docs setup clean
.NOTPARALLEL:

demo: .venv/ready-to-run
	$(BIN)/python examples/demo.py

test: .venv/ready-to-develop
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/ready-to-develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_sizes.py

bench: .venv/ready-to-develop
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python benchmarks/speed.py --with-peers
	$(BIN)/python benchmarks/gpu.py
	for claim in throughput overload sigterm; do $(BIN)/python benchmarks/serving.py $$claim || exit 1; done
	$(BIN)/python benchmarks/scaling.py
ifdef DATA
	for claim in vectors pairs; do $(BIN)/python benchmarks/$$claim.py --data $(DATA) || exit 1; done
	$(BIN)/python benchmarks/cluster.py $(DATA)/banking77/corpus.jsonl
	$(BIN)/python benchmarks/tuning.py --data $(DATA) --work .bench
	$(BIN)/python benchmarks/depth.py --data $(DATA) --sets cranfield:test stard:dev medquad:test --work .bench/plans
	$(BIN)/python benchmarks/plan.py --data $(DATA) --sets cranfield:test stard:dev medquad:test --p95 50ms --work .bench/plans
endif

prove: .venv/ready-to-develop
	$(BIN)/python -m pytest -m slow

docs: .venv/ready-to-develop
	$(BIN)/mkdocs build --strict

setup: .venv/ready-to-develop

clean:
	rm -rf .venv .demo site

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Bicross needs Python 3.11 or newer, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Install a newer one and say which: make PYTHON=python3.12 demo" >&2; exit 1; }
	@echo "Setting up .venv (once) ..."
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/ready-to-run: .venv/made pyproject.toml constraints.txt
	@$(PIP) --editable .
	@touch $@

# torch goes first and alone: when a range asks for it, pip may choose a build with gigabytes of GPU libraries.
.venv/ready-to-develop: .venv/made pyproject.toml constraints.txt
	@$(PIP) torch==2.13.0
	@$(PIP) --editable '.[dev]'
	@touch $@ .venv/ready-to-run
