# Start with `make demo` or `make test`. Each target installs its dependencies in $(VENV).
PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
DIST_VENV ?= .venv-dist
DIST_VERSIONS ?= 3.15 3.14 3.13 3.12 3.11
BIN := $(VENV)/bin
FUZZ_SECONDS ?= 600
FUZZ_SEED ?= 0
SANITIZE_SECONDS ?= 60
CORE_TESTS := tests/test_parser.py tests/test_lines.py tests/test_growth.py tests/test_memory.py tests/test_broken_stages.py \
  tests/chunks/decoding/test_server_errors.py
# Measuring coverage doubles the time of these, and they cover nothing that others don't.
UNCOVERED := tests/test_docs.py tests/test_load.py tests/test_accelerated.py tests/test_fuzz.py tests/test_recorded_streams.py \
  tests/test_wheels.py tests/test_interrupted_streams.py tests/test_event_dialects.py tests/tokens/test_borders.py tests/examples \
  $(foreach api,chunks responses messages,tests/$(api)/test_corpus.py tests/$(api)/test_linear_cost.py) \
  tests/responses/test_faults.py tests/messages/test_faults.py \
  tests/chunks/encoding/test_openai_types.py tests/responses/test_openai_types.py tests/messages/test_anthropic_types.py \
  tests/adapters/test_faults.py tests/adapters/test_promptness.py tests/test_three_apis.py tests/test_copying.py \
  tests/test_public_api.py tests/test_layers.py tests/benchmarks
# Files with single tests that are marked as such; tests/conftest.py marks those of random examples and recorded streams.
UNMEASURED := $(sort $(filter-out $(UNCOVERED),$(shell grep -lrE --include='test_*.py' 'unmeasured|hypothesis|corpus|recordings' tests)))
SANITIZED := .sanitized
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LIBASAN = $(shell $(CC) -print-file-name=libasan.so 2>/dev/null)
BUILT_FROM := pyproject.toml hatch_build.py src/sseparse/sse/_core.c
# Python compiles what it imports, which is a small part of what is installed.
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-compile

# Many tests start processes, each of which would compile the library again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test quick lint types docs dist bench fuzz sanitize clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: ## stream the notebook's two completions from a local server; no key needed
	@test -e $(VENV)/demo || echo "First run: installing sseparse and its command into $(VENV), which takes 30 to 90 seconds."
	@$(MAKE) --no-print-directory $(VENV)/demo
	@echo "Streaming two completions from a server on this machine, which takes about 8 seconds."
	@$(BIN)/sseparse demo $(DEMO)

test: $(VENV)/test ## run the tests with both cores; require 100 % coverage of src
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto $(or $(TESTS),-m 'not unmeasured' tests $(addprefix --ignore=,$(UNCOVERED)))
	$(if $(TESTS),,$(BIN)/python -m pytest -n auto -m unmeasured $(UNMEASURED))
	$(if $(TESTS),,$(BIN)/python -m pytest -n auto $(UNCOVERED))
	SSEPARSE_PURE=1 $(BIN)/coverage run -m pytest -n auto $(or $(TESTS),$(CORE_TESTS))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

quick: $(VENV)/test ## run the tests with both cores, without coverage
	$(BIN)/python -m pytest -n auto $(TESTS)
	SSEPARSE_PURE=1 $(BIN)/python -m pytest -n auto $(or $(TESTS),$(CORE_TESTS))

lint: $(VENV)/lint ## check style and banned imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/types ## check types with mypy and pyright, that the API has them, and the stub of the C core
	$(BIN)/mypy
	$(BIN)/pyright
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pyright --verifytypes sseparse --ignoreexternal
	! $(BIN)/python -c 'import sseparse.sse._core_c' 2>/dev/null || $(BIN)/python -m mypy.stubtest sseparse.sse._core_c

docs: $(VENV)/docs ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

dist: ## build an sdist and wheels for each installed Python into dist/, and test each
	@$(MAKE) --no-print-directory VENV=$(DIST_VENV) $(DIST_VENV)/dist
	.ci/dist $(DIST_VENV)/bin $(DIST_VERSIONS)

bench: ## compare with other libraries; write benchmarks/RESULTS.md
	@$(MAKE) --no-print-directory VENV=$(BENCH_VENV) $(BENCH_VENV)/peers
	$(BENCH_VENV)/bin/python benchmarks/compare.py

fuzz: $(VENV)/fuzz ## fuzz the parsers of each API, then compare the cores, for FUZZ_SECONDS each
	for api in chunks responses messages; do \
	  SSEPARSE_PURE=1 $(BIN)/python fuzz/fuzz_items.py --api $$api --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED) || exit; done
	$(BIN)/python fuzz/fuzz_cores.py --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

# Python itself isn't sanitized, so ASan must be preloaded and can't detect leaks.
sanitize: $(VENV)/test ## test the compiled core with AddressSanitizer and UBSan; fuzz it for SANITIZE_SECONDS
	@if [ ! -e "$(LIBASAN)" ] || ! echo 'int none;' | $(CC) $(SANITIZE) -shared -fPIC -x c - -o /dev/null; \
	then echo "$(CC) has no sanitizers: skipped"; exit 0; fi; set -ex; \
	rm -rf $(SANITIZED); mkdir $(SANITIZED); cp -R src/sseparse $(SANITIZED)/; rm -f $(SANITIZED)/sseparse/sse/*.so; \
	$(CC) $(SANITIZE) -shared -fPIC src/sseparse/sse/_core.c -o $(SANITIZED)/sseparse/sse/_core_c.so \
	  -I"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')"; \
	export PYTHONPATH=$(CURDIR)/$(SANITIZED) PYTHONMALLOC=malloc LD_PRELOAD="$(LIBASAN)" \
	  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1; \
	$(BIN)/python -c 'import sseparse.sse._core_c as core; assert "$(SANITIZED)" in core.__file__, core'; \
	$(BIN)/python -m pytest -n auto tests/test_parser.py tests/test_lines.py tests/test_broken_stages.py tests/test_accelerated.py; \
	$(BIN)/python fuzz/fuzz_cores.py --seconds $(SANITIZE_SECONDS) --seed $(FUZZ_SEED)

clean: ## remove the files that the other targets created
	rm -rf $(VENV) .venv-* $(SANITIZED) dist src/sseparse/sse/_core_c.*.so site .coverage* .pytest_cache .mypy_cache .ruff_cache

# Dependency groups need pip 25.1, which new environments may not have.
$(VENV)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is required: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/demo: $(VENV)/pip $(BUILT_FROM)
	@$(BIN)/python -m pip --disable-pip-version-check install --progress-bar off --editable '.[cli]'
	@touch $@

$(VENV)/editable: $(VENV)/pip $(BUILT_FROM)
	$(PIP) --editable .
	@touch $@

$(VENV)/core $(VENV)/test $(VENV)/lint $(VENV)/types $(VENV)/docs $(VENV)/bench: $(VENV)/editable
	$(PIP) --group $(notdir $@)
	@touch $@

$(VENV)/dist: $(VENV)/pip pyproject.toml
	$(PIP) --group dist
	@touch $@

# The report lists missing peers. litellm pins an older openai, so it is installed without dependencies.
$(VENV)/peers: $(VENV)/bench
	@$(PIP) --no-deps 'litellm>=1.100' || echo "litellm could not be installed: left out"
	@if command -v npm >/dev/null; then \
	  mkdir -p $(VENV)/node && npm install --silent --prefix $(VENV)/node eventsource-parser \
	    || echo "eventsource-parser could not be installed: left out"; \
	else echo "npm is not installed: Node is left out"; fi
	@touch $@

$(VENV)/fuzz: $(VENV)/pip $(BUILT_FROM)
	@$(PIP) --only-binary atheris --group fuzz --editable . || { \
	  echo "atheris could not be installed; it has wheels for CPython 3.11 to 3.13 on Linux: make fuzz PYTHON=python3.13 VENV=.venv-fuzz"; \
	  exit 1; }
	@touch $@
