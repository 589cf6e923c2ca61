# segmentd: `make help` lists the tasks. Each installs what it needs and is missing.

# What `build`, `run` and `demo` build: release or debug.
CONFIGURATION ?= release
# How long `make fuzz` runs, and what it starts from (a random seed, which it prints).
SECONDS ?= 600
SEED ?=
# More flags for `make run`, such as ARGS='--listen 127.0.0.1:7800'.
ARGS ?=
# `make soak`: how many times, and how many operations each of the 8 workers asks for.
ROUNDS ?= 10
OPERATIONS ?= 3000

.DEFAULT_GOAL := help
.PHONY: help setup build run demo test fuzz soak lint format generate bench million clean

help: ## List these tasks
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what building, running, testing and measuring need
	@scripts/setup all && echo "Everything is here."

build: ## Build segmentd and segctl into .build/release
	@scripts/setup build
	@scripts/build $(CONFIGURATION)

run: ## Start segmentd on 127.0.0.1:7700 with a PostgreSQL of its own; Ctrl-C stops both
	@scripts/setup run
	@scripts/build $(CONFIGURATION)
	@.build/$(CONFIGURATION)/segmentd serve $(ARGS)

demo: ## Import real data into a fresh server and stream its audit log to .demo/audit.csv
	@scripts/setup run
	@scripts/build $(CONFIGURATION)
	@scripts/demo .build/$(CONFIGURATION)

million: ## Make 1,000,000 users known to a running server (SEGCTL_ADDRESS, default 127.0.0.1:7700)
	@scripts/setup run
	@scripts/build $(CONFIGURATION)
	@scripts/million .build/$(CONFIGURATION)

test: ## Lint, build, and run every test, those over the wire also under AddressSanitizer
	@scripts/setup test
	@scripts/test

fuzz: ## Throw broken bytes at the server under AddressSanitizer: make fuzz SECONDS=600 SEED=1
	@scripts/setup build
	@swift build --sanitize=address --scratch-path .build_asan --product segmentd-fuzz
	@.build_asan/debug/segmentd-fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

soak: ## The random operations of `make test` for minutes, from new seeds each time: make soak ROUNDS=10 OPERATIONS=3000
	@scripts/setup test
	@swift build
	@for round in $$(seq $(ROUNDS)); do echo "==> round $$round of $(ROUNDS)"; SEGMENTD_BIN="$$PWD/.build/debug" \
	  SEGMENTD_TEST_OPERATIONS=$(OPERATIONS) $$(scripts/venv) -m pytest -s -k "not found_out" Tests/Foreign/test_model.py || exit 1; done

lint: ## Check style, imports, generated sources and scripts
	@scripts/setup generate
	@scripts/lint

format: ## Write all Swift the way `make lint` wants it
	@swift format --in-place --parallel $$(git ls-files --cached --others --exclude-standard '*.swift')

generate: ## Write Sources/CProto and Sources/Proto/Generated from protos/
	@scripts/setup generate
	@scripts/generate

bench: ## Measure throughput and latency, and write docs/benchmarks.md
	@scripts/setup bench
	@scripts/bench

clean: ## Remove what was built and what the demo wrote; data in .segmentd stays
	@scripts/demo --clean
	@rm -rf .build .venv .bench
