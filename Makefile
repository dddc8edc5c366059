# Needs make and Python 3.11 or newer; everything else goes into .venv and build.
# `make` alone lists the targets. PYTHON=... chooses another interpreter, ARGS=... goes to pytest.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_INSTALL := $(UV) pip install --quiet
CODEGEN := build/codegen-venv
MEMBERS := protos server terminal_client phone_client institution load_client
STUBS := protos/gen 'load_client/*_pb2.py*'
VALIDATE_PROTO := build/proto-deps/buf/validate/validate.proto
EXPORT := $(UV) export --quiet --preview-features package-conflicts --no-emit-workspace \
	--no-header --no-annotate --format requirements.txt

# Trust the certificates that the system trusts, as pip does.
export UV_SYSTEM_CERTS ?= true

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Use

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/.installed ## Install programs and tools into .venv

.PHONY: demo
demo: install ## Play the whole story on this machine: server, phone, terminal
	$(BIN)/python scripts/demo.py

##@ Check

.PHONY: test
test: install ## Run the tests
	$(BIN)/python -m pytest $(ARGS)

.PHONY: attack
attack: install ## Attack every promise about theft, for long; writes build/reports/attack.json
	$(BIN)/python -m pytest -m guarantee --campaign $(ARGS)

.PHONY: compare
compare: install ## Compare the speed of the server with that of an earlier commit, BASE=...
	$(BIN)/python -m bench.compare $(BASE)

# What gRPC says whenever a program is started beside it is no news.
BENCH := GRPC_VERBOSITY=ERROR $(BIN)/python -m bench

.PHONY: bench
bench: install ## Measure the server beside what limits it, or PARTS= of it; writes build/reports/bench.json
	@if command -v go >/dev/null; then $(MAKE) --no-print-directory ghz || true; fi
	$(BENCH) $(PARTS) $(ARGS)

.PHONY: bench-overload
bench-overload: install ## Measure a server that is called more than it can answer; writes build/reports/overload.json
	GRPC_VERBOSITY=ERROR $(BIN)/python -m bench.overload

.PHONY: bench-replay
bench-replay: install ## Record a shift of five minutes and replay it at three paces; writes build/reports/replay.json
	GRPC_VERBOSITY=ERROR $(BIN)/python -m bench.replay $(ARGS)

.PHONY: bench-purging
bench-purging: install ## Measure who waits while old rows are removed; writes build/reports/purging.json
	GRPC_VERBOSITY=ERROR $(BIN)/python -m bench.purging

.PHONY: bench-quick
bench-quick: install ## Measure the same within three minutes
	$(BENCH) --quick $(PARTS) $(ARGS)

GHZ := build/ghz/ghz

.PHONY: ghz
ghz: $(GHZ) ## Build the load generator of others that the bench asks as a witness (Go)

.PHONY: chaos
chaos: install ## Kill a real server on faulty lines for SECONDS= with SEED=; writes build/reports/chaos.json
	$(BIN)/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

.PHONY: simulate
simulate: install ## Play SEEDS= of the whole system under virtual time, or one SEED= with its trace
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000)) $(ARGS)

.PHONY: crash-certificate
crash-certificate: install ## Kill, fail and cut off real servers at every write; writes docs/proof/crash-certificate.md
	$(BIN)/python -m tests.crash $(ARGS)

FUZZ_PACKAGES := build/fuzz/packages

.PHONY: fuzz
fuzz: install ## Feed hostile input to every parser and RPC; SECONDS= and RUNS= for each
	-$(UV_INSTALL) --python $(BIN)/python --target $(FUZZ_PACKAGES) --no-deps --require-hashes \
		-r tests/fuzz/requirements.txt
	$(BIN)/python -m tests.fuzz.campaign $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RUNS),--runs $(RUNS)) $(ARGS)

JPOS := build/jpos/jpos-2.1.10.jar

.PHONY: jpos
jpos: $(JPOS) ## Fetch the card host of others that the gateway is tested against (Java, Maven)

.PHONY: check
check: static test ## Run everything that CI runs

.PHONY: static
static: lint types proto-check check-generated imports-check crosstest ## Run every check but the tests

.PHONY: lint
lint: install ## Check format and style
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet

.PHONY: types
types: install ## Check the types
	$(BIN)/mypy

.PHONY: proto-check
proto-check: install $(VALIDATE_PROTO) ## Check the contracts: style, format, compatibility
	$(BIN)/buf lint
	$(BIN)/buf format protos --diff --exit-code
	$(BIN)/python scripts/check_breaking.py

.PHONY: check-generated
check-generated: generate ## Check that the stubs are what the contracts generate
	git diff --exit-code -- $(STUBS)
	@new="$$(git ls-files --others --exclude-standard -- $(STUBS))"; \
		test -z "$$new" || { printf 'Not committed:\n%s\n' "$$new"; exit 1; }

.PHONY: imports-check
imports-check: install ## Install each program alone and import all of it
	$(BIN)/python scripts/check_imports.py

.PHONY: crosstest
crosstest: install ## Compare the code format with an independent implementation
	$(BIN)/python scripts/crosstest_cwt.py

.PHONY: coverage
coverage: install ## Measure what the tests reach
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage report
	$(BIN)/coverage report --include='*/tallymark_protocol/*,*/domain/*' --fail-under=100

##@ Change

.PHONY: format
format: install ## Format code and contracts, fix what can be fixed
	$(BIN)/ruff check --fix --quiet --exit-zero
	$(BIN)/ruff format --quiet
	$(BIN)/buf format protos --write

.PHONY: generate
generate: $(CODEGEN)/.installed ## Generate protos/gen from the contracts
	$(CODEGEN)/bin/python scripts/generate.py

.PHONY: lock
lock: $(UV) ## Move the locks to the newest versions that fit
	$(UV) lock --quiet --preview-features package-conflicts --upgrade
	$(EXPORT) --only-group bootstrap --output-file requirements-bootstrap.lock >/dev/null
	$(EXPORT) --only-group codegen --output-file requirements-codegen.lock >/dev/null
	$(EXPORT) --all-packages --all-extras --group dev --output-file requirements.lock >/dev/null

.PHONY: clean
clean: ## Remove everything that make made
	rm -rf $(VENV) build .hypothesis .coverage
	find . -type d '(' -name __pycache__ -o -name '.*_cache' ')' -prune -exec rm -rf {} +

# Environments. Each leaves a stamp, so that the second time costs nothing.

$(UV): requirements-bootstrap.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Tallymark needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.12"; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "'$(PYTHON)' cannot make environments. On Debian: apt-get install python3-venv"; \
		exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/.installed: $(UV) requirements.lock $(MEMBERS:%=%/pyproject.toml)
	$(UV_INSTALL) --python $(BIN)/python --require-hashes -r requirements.lock
	$(UV_INSTALL) --python $(BIN)/python --no-deps --no-build-isolation $(MEMBERS:%=--editable %)
	@touch $@

$(CODEGEN)/.installed: $(UV) requirements-codegen.lock
	$(UV) venv --quiet --clear --python $(BIN)/python $(CODEGEN)
	$(UV_INSTALL) --python $(CODEGEN)/bin/python --require-hashes -r requirements-codegen.lock
	@touch $@

$(JPOS): tests/integration/iso8583/jpos/jpos.sha256
	mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		-Dartifact=org.jpos:jpos:2.1.10 -DoutputDirectory=$(@D)
	sha256sum --check --quiet $<
	@touch $@

$(GHZ):
	GOBIN=$(abspath $(@D)) go install github.com/bojand/ghz/cmd/ghz@v0.120.0

$(VALIDATE_PROTO): $(CODEGEN)/.installed scripts/generate.py
	$(CODEGEN)/bin/python scripts/generate.py --dependencies-only
	@touch $@
