# Strata. Every target that has a ## comment is listed by `make`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Modules are derived from the workspace, never typed.
MODULES := $(shell sed -n 's/^[[:space:]]*\.\///p' go.work)
TOOL := cd shared && GOWORK=off go tool -modfile=../.ci/tools.mod
ARGS ?=
export GOFLAGS ?= -mod=readonly

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "%-11s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build strata and the three services into ./bin
	@mkdir -p bin
	go build -o bin/ ./deploy/strata ./strategic/cmd/strategic ./functional/cmd/functional ./operational/cmd/operational

.PHONY: demo
demo: ## Tell the loop as it happens; ARGS="--once --orders FILE --expect FILE", see ARGS=--help
	@mkdir -p bin && go build -o bin/ ./deploy/strata
	@bin/strata demo $(ARGS)

.PHONY: test
test: ## Run all tests, at the length that fits into CI
	go test -count=1 -p 2 -timeout 30m $(addsuffix /...,$(addprefix ./,$(MODULES)))

.PHONY: kafka-jars
kafka-jars: ## Fetch the jars of Apache Kafka with Maven, where they are not there as pinned
	@cd deploy/kafka && { (cd .cache/lib && sha256sum --check --strict --quiet ../../jars.sha256) 2>/dev/null || { rm -rf .cache/lib && \
		mvn -B -q --strict-checksums dependency:copy-dependencies -DoutputDirectory=.cache/lib; }; }

.PHONY: test-kafka
test-kafka: kafka-jars ## Run the bus, and the loop with kills, on a real Apache Kafka (needs Java 17 and Maven)
	go run ./deploy/kafka/withkafka go test -count=1 -run 'Kafka' ./shared/bus/kafkabus
	STRATA_TEST_KAFKA=1 go test -count=1 ./deploy/kafka

.PHONY: full
full: ## Run the long version of every proof, with the race detector, and the benchmarks
	STRATA_FULL=1 go test -count=1 -p 2 -timeout 60m $(addsuffix /...,$(addprefix ./,$(MODULES)))
	go test -count=1 -p 2 -race -short -shuffle=on -timeout 60m $(addsuffix /...,$(addprefix ./,$(filter-out deploy,$(MODULES)) deploy/internal))
	$(MAKE) test-kafka
	$(MAKE) bench
	$(MAKE) demo ARGS="--once --listen 127.0.0.1:0"

.PHONY: validity-full
validity-full: ## Run the acceptance tests of insight validity (A1 to A20) in full, and write their table into docs/validity.md
	@log=$$(mktemp); passed=0; STRATA_FULL=1 go test -count=1 -v -timeout 60m ./operational/internal/validity ./operational/internal/insight > $$log || passed=$$?; \
		{ sed '/^|/,$$d' docs/validity.md; printf '| # | scenario | measured | allowed | passed |\n|---|---|---|---|---|\n'; \
		sed -n 's/.*validity: //p' $$log | sort -V -u; } > docs/validity.md.new; \
		if [ $$passed -ne 0 ]; then grep -A20 -e '--- FAIL' -e '^panic' $$log | head -100 || true; fi; \
		rm $$log; mv docs/validity.md.new docs/validity.md; sed -n '/^|/,$$p' docs/validity.md; exit $$passed

.PHONY: bench
bench: ## Print the benchmarks as ratios of one run
	STRATA_BENCH=1 go test -count=1 -p 1 -v -run TestBench -timeout 30m ./deploy/bench/... ./operational/internal/mongostore | grep -v '^=== '
	go test -run '^$$' -bench Fit ./operational/internal/btyd

.PHONY: conformance
conformance: ## Replay what MongoDB answered, and print the table; ARGS=-update keeps the score
	go test -count=1 -v -timeout 20m ./shared/local/docstore/replay -run 'TestReplay|TestDocumented' $(ARGS) | grep -v '^=== '
	go test -count=1 ./shared/mongodb/mongotest/conformance

.PHONY: spec
spec: ## Run the MongoDB drivers' own specification suites against the document store, as CI does
	STRATA_SPECS=1 go test -count=1 -v -timeout 20m ./shared/local/docstore/specs | grep -v '^=== '

.PHONY: generate
generate: ## Generate server code from the OpenAPI files
	@for m in $(MODULES); do if [ -f $$m/api/codegen.yaml ]; then \
		echo "$$m/api/openapi.yaml"; (cd $$m && GOWORK=off go tool -modfile=../.ci/tools.mod oapi-codegen -config api/codegen.yaml api/openapi.yaml); fi; done

.PHONY: lint
lint: ## Check formatting, vet, staticcheck and the rules of the house
	@test -z "$$(gofmt -l $(MODULES))" || { echo "not formatted (run gofmt -w):"; gofmt -l $(MODULES); exit 1; }
	go vet work
	@.ci/rules
	@root=$$PWD; for m in $(MODULES); do echo "staticcheck $$m"; (cd $$m && GOWORK=off go tool -modfile=../.ci/tools.mod staticcheck ./...); done

.PHONY: check
check: lint ## Lint, and check that each module builds alone and that generated code is current
	@for m in $(MODULES); do echo "build $$m alone"; (cd $$m && GOWORK=off go build ./... && GOWORK=off go vet ./...); done
	@.ci/current
