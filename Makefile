# One command per habit. CI (.ci/run) runs the same ones.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NATIVE_PARTS := watcher/_bson_elements.c watcher/kafka/transactions/_enqueue.c watcher/messages/serializations/_bson_json.c

# The first interpreter that is new enough; `make setup PYTHON=/path/to/python` overrides the search.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$python; break; }; done)

# Some images set it. Then each worker, command and process of the tests compiles anew what it imports, which is two fifths of a
# worker's start.
unexport PYTHONDONTWRITEBYTECODE

# More arguments for pytest: make test ARGS="tests/unit -k compose".
ARGS ?=

# Number of processes that `make test` and `make quick` share the tests among: three of them use less than one core, because most
# tests wait for a server most of the time.
PROCESSES ?= 4

# What `make test-pythons` runs on each: what needs no server and hangs on the Python, and the guide's own way from MongoDB to a
# consumer.
ON_EACH_PYTHON := tests/unit tests/e2e/test_guide.py -m 'not one_python'

# How long `make soak` lasts (30 unless said) and `make bench` may last, and the seed of a soak to be repeated.
MINUTES ?=
SEED ?=

# Of `make bench`: the parts to be measured, the events of a backlog, and how often. All parts, 1,000,000 and 3 unless said.
PART ?=
EVENTS ?=
RUNS ?=

# The tool that writes the lock files lives apart, so that it is never a dependency of the project.
LOCK_VENV := .cache/lock
UV_VERSION := 0.13.9
# What builds the documentation and a release lives apart too: neither the project nor its tests need it.
DOCS_VENV := .cache/docs
DIST_VENV := .cache/dist
# With the fewest forks, so that each package has one version for every Python.
COMPILE := $(LOCK_VENV)/bin/uv pip compile --universal --fork-strategy fewest --python-version 3.11 \
	--generate-hashes --no-config \
	--no-annotate --quiet --custom-compile-command "make lock"

# Shows that pip is at work, in place of the hundred lines that it writes. Its errors go to stderr, so they are seen as they are.
DOTS := while IFS= read -r line; do case $$line in Collecting*|"Requirement already"*) printf .;; \
	"Installing collected"*) printf " unpacking …";; esac; done; echo

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(INSTALLED) ## create .venv with everything the lock file names

.PHONY: run
run: setup ## the demo: MongoDB, Kafka, two watchers and a live view; Ctrl-C ends it
	@$(BIN)/watcherctl demo

.PHONY: test
test: setup ## all tests, side by side; ARGS="…" goes to pytest
	@$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile $(ARGS)

.PHONY: downloads
downloads: setup ## what tests would download while they run: Apache Kafka, Kafka Connect, a registry, another mongod
	@$(BIN)/python -m tests.support.downloads

.PHONY: quick
quick: setup ## the unit tests, and one whole way on the small broker, in under two minutes
	@$(BIN)/pytest --numprocesses $(PROCESSES) --dist loadfile tests/unit \
		tests/e2e/test_demo.py::test_shows_both_databases_and_ends_by_itself $(ARGS)

.PHONY: test-pythons
test-pythons: setup ## unit tests and one of the whole way on the other Pythons of pyproject.toml that the machine has
	@$(BIN)/python -m tests.support.pythons | while read -r version python; do \
		[[ -n $$python ]] || { echo "Python $$version is not on this machine, and so not tested."; continue; }; \
		echo "Python $$version: $$python"; \
		$(MAKE) --no-print-directory test VENV=.cache/python$$version PYTHON=$$python ARGS="$(ON_EACH_PYTHON) $(ARGS)" </dev/null; \
	done

.PHONY: setup-pythons
setup-pythons: setup ## what test-pythons needs, for all Pythons at the same time: pip uses one core
	@$(BIN)/python -m tests.support.pythons | awk 'NF == 2' | xargs --no-run-if-empty --max-lines=1 --max-procs=0 \
		bash -c '$(MAKE) --quiet setup VENV=.cache/python$$0 PYTHON=$$1'

.PHONY: faults
faults: setup ## the fault matrix; writes its table into docs/reliability.md
	@$(BIN)/pytest tests/faults --publish docs/reliability.md $(ARGS)

.PHONY: faults-long
faults-long: setup ## its long form: hours; ARGS="--seed N --minutes M" repeats a run
	@$(BIN)/pytest tests/faults tests/unit/test_snapshot_model.py --long --publish docs/reliability.md $(ARGS)

.PHONY: soak
soak: setup ## load and faults at random; MINUTES=30 SEED=…; plots memory, lag, throughput into docs/images/soak.png
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: page-pictures
page-pictures: setup ## docs/images/page-*.png anew, from real workers in Chromium; takes four minutes
	@$(BIN)/python -m tests.page_pictures $(ARGS)

.PHONY: bench
bench: setup ## beside Debezium and others; PART=catchup EVENTS=100000 RUNS=1 MINUTES=15; writes docs/performance.md
	@$(BIN)/python -m benchmarks.bench $(if $(PART),--part $(PART)) $(if $(EVENTS),--events $(EVENTS)) \
		$(if $(RUNS),--runs $(RUNS)) $(if $(MINUTES),--minutes $(MINUTES)) $(ARGS)

.PHONY: check
check: setup ## formatting, lint, types and links, in under 30 s
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m docs_site.links

.PHONY: format
format: setup ## rewrite the code as `make check` wants it
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: schema
schema: setup ## write docs/message.schema.json and docs/asyncapi.yaml anew
	@$(BIN)/python -m contract

.PHONY: docs
docs: $(DOCS_VENV)/.installed ## the documentation as a site, in build/docs
	@NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/python -m mkdocs build --strict --quiet
	@echo "build/docs is built. To search it as well: python3 -m http.server --directory build/docs --bind 127.0.0.1 8000"

.PHONY: dist
dist: setup $(DIST_VENV)/.installed ## sdist and wheel in dist/, tried in empty environments of each Python
	@$(BIN)/python -m release.build $(DIST_VENV)/bin
	@$(BIN)/python -m release.smoke

.PHONY: quick-start
quick-start: setup ## commands and seconds from git clone to the first message of one's own servers
	@$(BIN)/python -m release.quick_start

.PHONY: docs-parts
docs-parts: setup ## write the tables, the example and the pictures in docs/ anew that the code knows
	@$(BIN)/python -m tests.docs_tables
	@$(BIN)/python -m tests.architecture_picture
	@$(BIN)/python -m tests.snapshot_picture
	@$(BIN)/python -m tests.takeover_picture

.PHONY: lock
lock: $(LOCK_VENV)/bin/uv ## pin the newest allowed dependencies, transitive ones too
	@$(COMPILE) --upgrade pyproject.toml --extra sandbox --extra aws --group dev --output-file requirements-dev.lock
	@$(COMPILE) --upgrade pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock
	@$(COMPILE) --upgrade --group docs --output-file requirements-docs.lock
	@$(COMPILE) --upgrade --group dist --output-file requirements-dist.lock

.PHONY: clean
clean: ## remove what these commands made; conf.d, run and log stay
	@rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist $(patsubst %.c,%*.so,$(NATIVE_PARTS))
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements-dev.lock pyproject.toml hatch_build.py $(NATIVE_PARTS) \
		$(wildcard watcher/messages/serializations/native/*.h) | $(BIN)/python
	@echo "Installing the dependencies into $(VENV), a dot for each; that takes a minute or two …"
	@set -o pipefail; $(BIN)/python -m pip install --disable-pip-version-check --require-hashes \
		--requirement requirements-dev.lock | { $(DOTS); }
	@echo "Compiling the parts in C, if there is a compiler …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer was not found. On Debian: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(DOCS_VENV)/.installed $(DIST_VENV)/.installed: .cache/%/.installed: requirements-%.lock
	@echo "Installing $< into .cache/$* …"
	@$(PYTHON) -m venv .cache/$*
	@.cache/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

$(LOCK_VENV)/bin/uv: Makefile
	@$(PYTHON) -m venv $(LOCK_VENV)
	@$(LOCK_VENV)/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@
