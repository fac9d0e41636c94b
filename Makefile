# One verb each; CI runs the same ones. `make` alone lists them.

.DEFAULT_GOAL := help
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c

# Arguments for the gateway: make run ARGS='--listen 127.0.0.1:9000'
ARGS ?=
# The browser of the end-to-end tests.
export CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || echo /usr/bin/chromium)

.PHONY: help
help: ## List the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: run
run: ## Build and start the gateway with the chat client, on http://127.0.0.1:8080
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web; \
	 else echo "npm is not installed: the gateway starts without the chat page and says so there."; fi
	cargo run --release --locked -p hubbub-gateway -- serve $(ARGS)

.PHONY: cluster
cluster: ## Build and start three replicas, Redis and a balancer on this machine, until Ctrl-C
	@gateway/deploy/cluster --check
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory web; fi
	cargo build --release --locked -p hubbub-gateway
	@exec gateway/deploy/cluster $(ARGS)

.PHONY: web
web: web-client/dist/index.html ## Build the web client

web-client/node_modules/.package-lock.json: web-client/package.json web-client/package-lock.json
	cd web-client && npm ci --no-audit --no-fund
	@touch $@

web-client/dist/index.html: web-client/node_modules/.package-lock.json web-client/index.html web-client/vite.config.ts $(shell find web-client/src web-client/public -type f 2>/dev/null)
	cd web-client && npm run build
	@touch $@

.PHONY: test
test: prepare lint test-rust test-web ## Everything: lints, unit and integration tests, two pages in a real browser

.PHONY: prepare
prepare: ## Install what the tests need and the machine lacks
	.ci/prepare

.PHONY: test-rust
test-rust: web ## The tests of the gateway, the wire contract and the load generator
	cargo test --workspace --locked
	cd gateway/fuzz && CARGO_TARGET_DIR=../../target cargo check --locked

.PHONY: test-web
test-web: web ## The tests of the web client, in Node and in a browser against the gateway
	@# The gateway as the tests of the workspace built it; built by itself it would be compiled anew.
	cargo test --workspace --locked --no-run --quiet
	cd web-client && npm test && npm run e2e

.PHONY: lint
lint: web-client/node_modules/.package-lock.json ## Formatting, clippy, types
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cd web-client && npm run lint

.PHONY: generate
generate: ## Write the generated files anew: TypeScript types, docs/configuration.md
	HUBBUB_GENERATE=1 cargo test -q --locked -p hubbub-shared typescript
	HUBBUB_GENERATE=1 cargo test -q --locked -p hubbub-gateway the_page_about

.PHONY: bench-peers
bench-peers: ## Measure Hubbub beside a floor, sockudo and Socket.IO, for hours: ARGS='--parts big-room,idle --rounds 3'
	loadtest/peers/install
	cargo build --release --locked -p hubbub-gateway -p hubbub-loadtest
	@"$${CARGO_TARGET_DIR:-target}/release/hubbub-loadtest" bench-peers --target "$${CARGO_TARGET_DIR:-target}" $(ARGS)

.PHONY: many
many: ## Connect as many clients as this machine carries to as many replicas on one Redis: ARGS=1000000
	cargo build --release --locked -p hubbub-gateway -p hubbub-loadtest
	@"$${CARGO_TARGET_DIR:-target}/release/hubbub-loadtest" many --target "$${CARGO_TARGET_DIR:-target}" $(ARGS)

.PHONY: bench-redis
bench-redis: ## What a publish costs through Redis, beside redis-benchmark (needs redis-server and redis-benchmark)
	cargo bench --locked -p hubbub-gateway --bench publish

.PHONY: bench
bench: ## Count what the hot paths cost, against their budgets (needs valgrind)
	cargo bench --locked -p hubbub-gateway --bench hot_paths

.PHONY: fuzz
fuzz: ## Damage frames for a minute (needs cargo-fuzz)
	cd gateway && RUSTC_BOOTSTRAP=1 cargo fuzz run client_frame fuzz/seeds -- -max_total_time=60
