# make demo   installs what is missing, builds, trains on the sample of CIFAR-10, evaluates, predicts
# make build  leaves the program at build/release/convoy
# make test   builds and runs every test
# make clean  removes the build folder
#
# CMAKE_FLAGS="-DNAME=VALUE ..." is passed to CMake; JOBS is the number of compilers and tests at once.

JOBS ?= $(shell nproc)
CMAKE_FLAGS ?=

.PHONY: demo build configured test packages clean

build: configured
	cmake --build --preset release --target convoy-cli --parallel $(JOBS)
	@echo "convoy: built build/release/convoy"

configured: packages
	cmake --preset release $(CMAKE_FLAGS)

packages:
	@tools/install_packages.sh

test: configured
	cmake --build --preset release --parallel $(JOBS)
	ctest --preset release --parallel $(JOBS)

demo: build
	@tools/demo.sh build/release/convoy

clean:
	rm -rf build
