# Two of these do all the set-up on a fresh Debian machine: `make demo` and `make test`.
SHELL = /bin/sh
PYTHON ?= /usr/bin/python3
.PHONY: demo test test-peers check native pyz bench fuzz rig clean

demo:            ## install what is missing, run the main job on an embedded image (or IMAGE=..., from its registry)
	@scripts/demo.sh $(IMAGE)

test:            ## install what is missing, run every test
	@scripts/test.sh

test-peers:      ## what takes longer: large images against umoci and podman, the real udocker, 200 kills
	@scripts/test_peers.sh

check:           ## linters, types, layers and quick tests in an environment that exists already
	PYTHONPATH=src $(PYTHON) -m pytest -q tests/structure tests/unit tests/property

native:          ## compile the native programs into build/native
	$(PYTHON) hatch_build.py build/native

pyz:             ## build/sampan.pyz: one file that runs on a node with nothing but Python
	$(PYTHON) scripts/build_pyz.py build/sampan.pyz

bench:           ## the measurements of docs/benchmarks.md, against real peers
	@scripts/bench.sh

fuzz:            ## long fuzz runs (FUZZ_SECONDS, default 600, for each target)
	@scripts/fuzz.sh

rig:             ## large programs with the interception engine and without it; writes docs/reference/intercept-differences.md
	@scripts/rig.sh

clean:
	rm -rf build dist
