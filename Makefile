# SPDX-License-Identifier: Apache-2.0

# Everything needs Go alone to start with; scripts/setup.sh brings the rest.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LINT    := bin/golangci-lint

# The race detector needs cgo and a C compiler; nothing else does.
export CGO_ENABLED = 0

# The drivers' tests are a module of their own. So are the examples, for what
# they use.
INTEGRATION := $(dir $(wildcard integration/go.mod))

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/weir, one static binary
	go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/weir ./cmd/weir

.PHONY: run
run: build ## run weir before a private PostgreSQL and print the URLs; Ctrl-C ends both
	@scripts/setup.sh run
	@exec bin/weir dev

.PHONY: test
test: ## install or find what the tests need, and run them all
	@scripts/setup.sh test
	go test -timeout 30m ./...
	$(if $(INTEGRATION),go -C $(INTEGRATION) test -timeout 30m -skip '^TestPrisma' ./...)
	$(if $(INTEGRATION),go -C $(INTEGRATION) test -timeout 15m -v -run '^TestPrisma' .) # they say what they compared
	go -C examples test -timeout 15m ./...

.PHONY: test-pg
test-pg: ## run the tests against another PostgreSQL, such as PG=18 (14 to 18), fetched if need be
	@: $(if $(PG),,$(error name a version: make test-pg PG=18))
	@scripts/setup.sh test
	WEIR_TEST_PG=$(PG) go test ./internal/testpg # fetches once, before the packages run side by side
	WEIR_TEST_PG=$(PG) go test -timeout 15m ./...
	$(if $(INTEGRATION),WEIR_TEST_PG=$(PG) go -C $(INTEGRATION) test -timeout 15m ./...)

.PHONY: check
check: lint cross race fuzz-smoke soak-smoke bench-smoke ## linters, other platforms, race detector, a moment of every fuzz target, of the soak and of every benchmark

.PHONY: lint
lint: $(LINT) ## linters and formatters, .golangci.yml says which
	$(LINT) run ./...
	cd examples && ../$(LINT) run ./...

.PHONY: fmt
fmt: $(LINT) ## format the code as lint wants it
	$(LINT) fmt

.PHONY: cross
cross: ## compile and vet for macOS and for ARM
	GOOS=darwin GOARCH=arm64 go vet ./...
	GOOS=linux GOARCH=arm64 go vet ./...

.PHONY: race
race: ## the tests with the race detector
	@scripts/setup.sh test
	CGO_ENABLED=1 go test -race -timeout 60m ./...

.PHONY: fuzz-smoke
fuzz-smoke:
	@scripts/fuzz.sh 10000x

.PHONY: fuzz
fuzz: ## fuzz every decoder for TIME (2m) each
	@scripts/fuzz.sh $(or $(TIME),2m)

.PHONY: regress
regress: ## PostgreSQL's own tests through weir, an hour or more; POOLS="40 8 3" and FORMS="simple unnamed named" choose
	@scripts/setup.sh test
	@scripts/regress.sh

.PHONY: soak-smoke
soak-smoke:
	@scripts/setup.sh test
	@SEED=1 scripts/soak.sh 1m

.PHONY: soak
soak: ## look for leaks and other breaches for TIME (30m), by made-up scripts; it prints its SEED
	@scripts/setup.sh test
	@scripts/soak.sh $(or $(TIME),30m)

.PHONY: bench-smoke
bench-smoke:
	go test -run '^$$' -bench . -benchtime 1x -timeout 15m ./...
	go run ./bench -smoke

.PHONY: bench
bench: build ## measure weir, PgBouncer and PostgreSQL alone; ARGS are those of ./bench
	@scripts/setup.sh test
	go run ./bench $(ARGS)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin

# Pinned in tools/go.mod, so that no linter is in weir's own go.mod. The first
# build takes minutes.
$(LINT): tools/go.mod tools/go.sum
	go -C tools build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@
