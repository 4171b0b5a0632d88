# RoomKit for Go. "make help" lists the targets.
#
# make demo and make test are all that a fresh Debian or Ubuntu machine needs
# after Go, a C compiler and make: both install the Debian packages they lack.

GO ?= go
ROOMKIT = bin/roomkit

.PHONY: help
help: ## List the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 20

.PHONY: setup
setup: ## Install the libraries to build and run with, where they are missing
	@scripts/setup.sh build

.PHONY: setup-test
setup-test: ## Install the tools that tests judge recordings with, where they are missing
	@scripts/setup.sh build test

.PHONY: build
build: setup ## Build bin/roomkit
	$(GO) build -o $(ROOMKIT) ./cmd/roomkit

.PHONY: demo
demo: build ## Record a room of two participants for ten seconds and print where the file is
	$(ROOMKIT) record --participant alice=test --participant bob=test --duration 10 --output recordings

.PHONY: test
test: setup-test ## Run all tests
	$(GO) test -timeout 30m ./...

.PHONY: race
race: setup-test ## Run all tests under the race detector
	$(GO) test -race -timeout 45m ./...

.PHONY: soak
soak: setup-test ## Record an hour of a room on the virtual clock, and check that nothing grows (half a minute)
	ROOMKIT_SOAK=1 $(GO) test -v -run TestSoakHour .

.PHONY: sweep
sweep: setup-test ## Kill writers and recordings at thousands of moments and play what is left (a quarter of an hour)
	ROOMKIT_SWEEP=1 $(GO) test -v -timeout 60m -run 'TestSweep|TestPowerLoss|TestFinished' ./mp4
	ROOMKIT_SWEEP=1 $(GO) test -v -timeout 60m -run TestKill ./cmd/roomkit
	ROOMKIT_SWEEP=1 $(GO) test -v -timeout 60m -run 'TestKill|TestRF64' ./recorder/wav

.PHONY: sweep-sync
sweep-sync: setup-test ## Judge picture against sound over all cameras, microphones and networks, and over six hours (minutes)
	ROOMKIT_SWEEP=1 $(GO) test -v -timeout 60m -run 'TestSyncMatrix|TestDrift|TestReturn' ./recorder/av
	ROOMKIT_SWEEP=1 $(GO) test -v -timeout 60m -run TestClocksApart ./endtoend

.PHONY: sweep-copy
sweep-copy: setup-test ## Compare copied streams bit for bit in more containers, and play all of them (minutes)
	ROOMKIT_SWEEP=1 $(GO) test -v -timeout 60m -run 'TestCopyDrift|TestExact' ./recorder/av

.PHONY: lint
lint: setup ## gofmt, go vet and staticcheck
	@files=$$(gofmt -l .); test -z "$$files" || { echo "not formatted, run gofmt -w:" $$files >&2; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod staticcheck ./...

.PHONY: bench
bench: setup-test ## Compare speed, size and memory with FFmpeg on this machine
	$(GO) run ./bench

.PHONY: test-webcam
test-webcam: build ## Record a real webcam and microphone inside a small virtual machine (minutes)
	PLAIN_PCM=1 scripts/test-webcam.sh $(ROOMKIT) build/webcam-vm/out

.PHONY: test-debian13
test-debian13: setup ## Build and test against Debian 13's FFmpeg 7.1 in a debootstrap folder (root, minutes)
	scripts/test-debian13.sh

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin build
