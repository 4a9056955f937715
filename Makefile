# Every target is a short list of scripts; scripts/ holds the work.

.DEFAULT_GOAL := help
.PHONY: help setup run test test-faults fuzz build dev lint e2e bench clean

help: ## Lists these targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-11s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Installs all that building and testing need; quick when it is there
	@scripts/setup.sh

run: ## Builds in release and serves http://127.0.0.1:3000 on data/vouchsafe.db
	@scripts/run.sh

test: ## Runs every check: lint, Rust tests on both databases, release build, browser tests
	@scripts/test.sh

test-faults: ## Kills servers under load and races them against each other, some minutes long
	@scripts/setup.sh --build
	@scripts/faults.sh

fuzz: ## Makes up what strangers could send us, ten minutes for each reader; ARGS=60 for less
	@scripts/setup.sh --build
	@scripts/fuzz.sh $(ARGS)

build: ## Builds target/release/vouchsafe, one file that runs alone
	@scripts/setup.sh --build
	@scripts/build.sh

dev: ## Serves a debug build, rebuilt when a file changes
	@scripts/dev.sh

lint: ## Checks the formatting, clippy's advice and the browser tests' types
	@scripts/setup.sh --build
	@scripts/lint.sh

e2e: ## Runs the browser tests; make e2e ARGS="--project js" for some of them
	@scripts/setup.sh
	@scripts/build.sh
	@scripts/e2e.sh $(ARGS)

bench: ## Measures speed and size, see docs/benchmarks.md
	@scripts/bench.sh

clean: ## Removes build results; keeps installed tools, npm packages and data/
	@scripts/clean.sh
