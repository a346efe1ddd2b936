# Everything a newcomer needs: `make demo`, `make demo-monitoring` and `make test`. All set up .venv by themselves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Tests start some three hundred Python programs: none has to compile the same modules again.
unexport PYTHONDONTWRITEBYTECODE

# protoc finds its plug-ins on the path.
export PATH := $(CURDIR)/$(BIN):$(PATH)

PROTOS   := $(shell find protos -name '*.proto' | sort)
SERVICES := protos/soloist/v1/admin.proto protos/soloist/v1/feedback.proto protos/soloist/v1/norm_skew.proto protos/soloist/v1/sequence_inference.proto protos/soloist/oip/grpc_service.proto

# Files are handed out in the order of tests/conftest.py.
PYTEST   := $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo demo-monitoring test test-fast test-httpunk test-claims check lint types contracts protos stubs check-stubs reference check-reference unit sizes sbom audit format bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Soloist needs Python 3.11 or newer; set PYTHON=python3.x"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp per set of extras: it is only installed again if the pins or the package change.
$(VENV)/.demo: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[export,bench]'
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[export,bench,dev]'
	@touch $@

demo: $(VENV)/.demo ## train, export, serve and measure on real data (out/demo/report.html)
	$(BIN)/soloist demo

demo-monitoring: $(VENV)/.demo ## shift traffic, watch it, recalibrate (out/demo-monitoring/report.html)
	$(BIN)/python -m demo.monitoring

test: check ## everything CI runs

# mypy takes a processor for a while, the tests wait now and then: they run side by side.
check: lint contracts protos check-stubs check-reference ## all checks and tests
	@$(MAKE) --no-print-directory -j 2 types unit

test-fast: $(VENV)/.dev ## unit tests that take no time: for while you write
	$(PYTEST) -m 'not slow' --durations=5 tests/unit

# `make test` has those on both transports that are near a transport; here it is all that start a server.
test-httpunk: $(VENV)/.dev ## every test that starts a server, on the second transport
	TEST_TRANSPORT=httpunk $(PYTEST) tests/contract/test_third_party.py tests/integration tests/e2e

# Minutes of training: not a part of `make test`.
test-claims: $(VENV)/.dev ## the quick run of every claim: minutes of training
	TEST_CLAIMS=1 $(BIN)/pytest tests/e2e/test_claims.py

lint: $(VENV)/.dev ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy --strict
	$(BIN)/mypy

contracts: $(VENV)/.dev ## import contracts between packages
	$(BIN)/lint-imports

protos: $(VENV)/.dev ## buf lint
	$(BIN)/buf lint

define generate
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=$(1) --mypy_out=quiet:$(1) $(PROTOS)
	$(BIN)/python -m grpc_tools.protoc -I protos --grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) $(SERVICES)
endef

stubs: $(VENV)/.dev ## generate soloist/v1, soloist/oip and soloist/onnx from protos/
	$(call generate,.)

check-stubs: $(VENV)/.dev ## check that the stubs match protos/
	@rm -rf build/stubs && mkdir -p build/stubs
	@$(call generate,build/stubs)
	@cd build/stubs && find . -type f | sort | while read -r f; do cmp "$$f" "../../$$f" || { echo "run: make stubs"; exit 1; }; done

reference: $(VENV)/.dev ## write docs/reference from the declarations in the code
	$(BIN)/python -m service.reference

check-reference: $(VENV)/.dev ## check that docs/reference matches the declarations
	@$(BIN)/python -m service.reference --check

unit: $(VENV)/.dev ## pytest
	$(PYTEST)

sizes: $(VENV)/.dev ## files, median and largest module of every package
	@$(BIN)/python -m tests.package_sizes

SUPPLY := build/supply-chain
# The database that `make audit` asks: pypi or osv.
SERVICE ?= pypi

$(SUPPLY)/.tools: $(VENV)/pyvenv.cfg deploy/supply-chain-tools.txt
	$(PYTHON) -m venv $(SUPPLY)/tools
	$(SUPPLY)/tools/bin/python -m pip install --quiet --disable-pip-version-check -r deploy/supply-chain-tools.txt
	@touch $@

# A server as it is installed, without the tools of this folder.
$(SUPPLY)/.server: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv --without-pip $(SUPPLY)/server
	$(BIN)/python -m pip --python $(SUPPLY)/server/bin/python install --quiet --disable-pip-version-check -c constraints.txt '.[fast,otel,redis]'
	@touch $@

sbom: $(SUPPLY)/.tools $(SUPPLY)/.server ## bill of materials of a server, in CycloneDX (build/sbom.cdx.json)
	$(SUPPLY)/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.cdx.json $(SUPPLY)/server/bin/python

audit: $(SUPPLY)/.tools ## known vulnerabilities of the pinned versions; needs the network
	@$(BIN)/python -m deploy.audit $(SUPPLY)/tools/bin/pip-audit $(SERVICE)

format: $(VENV)/.dev ## rewrite in house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what the targets have created, .venv included
	rm -rf $(VENV) build out *.egg-info
