# Every target is one line in `make help`. Settings: JOBS=N, ALL=1 (lint every file), ONLY=… (bench), ATRIUM_HOME=…
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc)
ONLY ?=
ATRIUM_HOME ?= $(CURDIR)/var
SECONDS_PER_FUZZ ?= 60
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
# Model packages are kept by digest, so that var/, the tests and other clones download them once.
export ATRIUM_DOWNLOAD_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/atrium/downloads

.PHONY: help setup build run test test-full lint format asan tsan fuzz bench dist licenses build-report clean

# configure PRESET [arguments]: once; afterwards ninja notices changed CMake files by itself
configure = test -f build/$(1)/build.ninja || { echo "build: configuring build/$(1)"; cmake --preset $(1) $(2) >build/.configure.log || { cat build/.configure.log; exit 1; }; }
ninja = cmake --build build/$(1) --parallel $(JOBS) --

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## install what building and running needs (root or sudo; does nothing when it is there)
	@tools/setup run

build: setup  ## build console and program into build/release
	@mkdir -p build
	@tools/build_console
	@$(call configure,release)
	@$(call ninja,release) atrium atrium_llama

run: build  ## build, pull the default models, serve on http://127.0.0.1:8080 with data in var/
	@mkdir -p "$(ATRIUM_HOME)"
	@ATRIUM_HOME="$(ATRIUM_HOME)" build/release/bin/atrium pull --default
	@exec env ATRIUM_HOME="$(ATRIUM_HOME)" build/release/bin/atrium serve

test:  ## everything: unit, lint, integration, SDKs, browser; ends with one summary
	@tools/setup test
	@mkdir -p build
	@tools/build_console
	@$(call configure,release)
	@$(call ninja,release)
	@python3 tools/test.py build/release

test-full:  ## test, and the checks that need slow or heavy components (says what it skips)
	@ATRIUM_TEST_FULL=1 $(MAKE) test

lint:  ## formatting, layers, headers, clang-tidy on what changed (ALL=1: on everything)
	@tools/setup dev
	@mkdir -p build
	@$(call configure,release)
	@python3 tools/lint/format.py
	@python3 tools/lint/layers.py
	@python3 tools/lint/headers.py build/release
	@python3 tools/lint/tidy.py build/release $(if $(ALL),--all)

format:  ## rewrite the sources in the house format
	@tools/setup dev
	@python3 tools/lint/format.py --write

asan:  ## unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/setup dev
	@mkdir -p build
	@$(call configure,asan,-DATRIUM_CONSOLE=OFF)
	@$(call ninja,asan)
	@ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 python3 tools/test.py build/asan --unit

tsan:  ## unit tests under ThreadSanitizer
	@tools/setup dev
	@mkdir -p build
	@$(call configure,tsan,-DATRIUM_CONSOLE=OFF)
	@$(call ninja,tsan)
	@TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 python3 tools/test.py build/tsan --unit

fuzz:  ## every fuzz target for SECONDS_PER_FUZZ=60 seconds each
	@tools/setup dev
	@mkdir -p build
	@python3 tools/fuzz.py --seconds $(SECONDS_PER_FUZZ) --jobs $(JOBS)

bench:  ## benchmarks against peers, side by side; ONLY=gateway|engine|vector|rag
	@tools/setup bench
	@mkdir -p build
	@$(call configure,release)
	@$(call ninja,release)
	@python3 bench/run.py $(ONLY)

dist: build  ## a relocatable tarball and a .deb in dist/
	@tools/setup dist
	@deploy/package.sh build/release dist

licenses:  ## what Atrium is built from, and under which licences
	@python3 tools/licenses.py

build-report:  ## the ten dearest source files of the last release build
	@python3 tools/build_report.py build/release

clean:  ## remove build results (keeps downloads and var/)
	@rm -rf build dist console/dist
	@echo "clean: removed build/, dist/ and console/dist/"
