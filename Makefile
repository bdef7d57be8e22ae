# `make run` and `make test` work on a fresh Debian or Ubuntu machine with Rust: what is missing is installed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test bench check fmt setup

# A path with spaces is one word only inside quotes; $(MAKEFILE_LIST) with one file is that file.
enter := cd "$$(dirname "$(strip $(MAKEFILE_LIST))")"
target := $${CARGO_TARGET_DIR:-target}

help: ## show this list
	@$(enter); grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):[^#]*## /  make \1|/' | column -t -s '|'

run: ## set up, build, start everything with a demo channel that goes wrong (ARGS="--listen 0.0.0.0:9000")
	@$(enter); scripts/setup.sh run; cargo build --locked; exec "$(target)/debug/ottwatch" up --demo $(ARGS)

test: ## set up, then everything that continuous integration runs
	@$(enter); scripts/setup.sh test; cargo xtask check

bench: ## set up, then measure the probe against wrk and the validator's rate (docs/benchmarks.md)
	@$(enter); scripts/setup.sh test; cargo run --locked --release -p ow-bench -- $(ARGS)

check: ## what make test runs, without the set-up
	@$(enter); cargo xtask check

fmt: ## format all code
	@$(enter); cargo xtask fmt

setup: ## install what run and test need
	@$(enter); scripts/setup.sh test
