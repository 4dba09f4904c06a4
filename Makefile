# Two commands are enough: `make demo` and `make test`. Both set themselves up in $(VENV).
PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
BIN := $(VENV)/bin
FUZZ_SECONDS ?= 600
FUZZ_SEED ?= 0
SANITIZE_SECONDS ?= 60
CORE_TESTS := tests/test_parser.py tests/test_lines.py tests/test_growth.py tests/test_memory.py tests/test_broken_stages.py tests/chunks/decoding
SANITIZED := .sanitized
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LIBASAN = $(shell $(CC) -print-file-name=libasan.so 2>/dev/null)
BUILT_FROM := pyproject.toml hatch_build.py src/sseparse/sse/_core.c
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install

.PHONY: help demo test quick lint types docs bench fuzz sanitize clean

help: ## list these targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

demo: $(VENV)/demo ## stream the notebooks' two completions from a server on this machine
	@$(BIN)/sseparse demo $(DEMO)

test: $(VENV)/test ## run the tests with each core, and hold the coverage of src to 100 %
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto $(TESTS)
	SSEPARSE_PURE=1 $(BIN)/coverage run -m pytest -n auto $(or $(TESTS),$(CORE_TESTS))
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

quick: $(VENV)/test ## run the tests with each core, and leave coverage out
	$(BIN)/python -m pytest -n auto $(TESTS)
	SSEPARSE_PURE=1 $(BIN)/python -m pytest -n auto $(or $(TESTS),$(CORE_TESTS))

lint: $(VENV)/lint ## check style and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/types ## check types with mypy and pyright
	$(BIN)/mypy
	$(BIN)/pyright

docs: $(VENV)/docs ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: ## measure beside other libraries, and write benchmarks/RESULTS.md
	@$(MAKE) --no-print-directory VENV=$(BENCH_VENV) $(BENCH_VENV)/peers
	$(BENCH_VENV)/bin/python benchmarks/compare.py

fuzz: $(VENV)/fuzz ## look for inputs that break a law, and for those that part the cores, for FUZZ_SECONDS each
	SSEPARSE_PURE=1 $(BIN)/python fuzz/fuzz_chunks.py --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)
	$(BIN)/python fuzz/fuzz_cores.py --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

# Python itself isn't sanitized: the library has to be loaded first, and leaks can't be told apart.
sanitize: $(VENV)/test ## test the compiled core with AddressSanitizer and UBSan, and fuzz it for SANITIZE_SECONDS
	@if [ ! -e "$(LIBASAN)" ] || ! echo 'int none;' | $(CC) $(SANITIZE) -shared -fPIC -x c - -o /dev/null; \
	then echo "$(CC) has no sanitizers: the compiled core is not sanitized"; exit 0; fi; set -ex; \
	rm -rf $(SANITIZED); mkdir $(SANITIZED); cp -R src/sseparse $(SANITIZED)/; rm -f $(SANITIZED)/sseparse/sse/*.so; \
	$(CC) $(SANITIZE) -shared -fPIC src/sseparse/sse/_core.c -o $(SANITIZED)/sseparse/sse/_core_c.so \
	  -I"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')"; \
	export PYTHONPATH=$(CURDIR)/$(SANITIZED) PYTHONMALLOC=malloc LD_PRELOAD="$(LIBASAN)" \
	  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1; \
	$(BIN)/python -c 'import sseparse.sse._core_c as core; assert "$(SANITIZED)" in core.__file__, core'; \
	$(BIN)/python -m pytest -n auto $(CORE_TESTS) tests/test_accelerated.py; \
	$(BIN)/python fuzz/fuzz_cores.py --seconds $(SANITIZE_SECONDS) --seed $(FUZZ_SEED)

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-* $(SANITIZED) src/sseparse/sse/_core_c.*.so site .coverage* .pytest_cache .mypy_cache .ruff_cache

# Dependency groups need pip 25.1; a fresh environment brings an older one.
$(VENV)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/demo: $(VENV)/pip $(BUILT_FROM)
	$(PIP) --editable '.[cli]'
	@touch $@

$(VENV)/test $(VENV)/lint $(VENV)/types $(VENV)/docs $(VENV)/bench: $(VENV)/pip $(BUILT_FROM)
	$(PIP) --group $(notdir $@) --editable .
	@touch $@

# What does not come is said in the report. litellm pins an older openai: it goes without its pins.
$(VENV)/peers: $(VENV)/bench
	@$(PIP) --no-deps 'litellm>=1.100' || echo "litellm could not be installed: left out"
	@if command -v npm >/dev/null; then \
	  mkdir -p $(VENV)/node && npm install --silent --prefix $(VENV)/node eventsource-parser \
	    || echo "eventsource-parser could not be installed: left out"; \
	else echo "npm is not here: Node is left out"; fi
	@touch $@

$(VENV)/fuzz: $(VENV)/pip $(BUILT_FROM)
	@$(PIP) --only-binary atheris --group fuzz --editable . || { \
	  echo "atheris has wheels for CPython 3.11 to 3.13 on Linux alone; name one: make fuzz PYTHON=python3.13 VENV=.venv-fuzz"; \
	  exit 1; }
	@touch $@
