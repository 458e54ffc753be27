#!/bin/sh
# Builds the example and trains it on Fashion-MNIST: `sh tools/quickstart.sh --epochs 1`. Installs missing Debian
# packages when run as root; arguments go to the example. With nvcc and a GPU it is the CUDA program that runs.
set -eu
cd "$(dirname "$0")/.."
. tools/setup.sh
need g++ meson ninja-build pkg-config zlib1g-dev dataset-fashion-mnist

program=fashion_mnist
cuda=disabled
if command -v nvcc >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
  program=fashion_mnist_cuda
  cuda=enabled
  capability=$(own_arch)  # not for every GPU
fi
configure build/quickstart -Dtests=false -Dbenchmarks=false -Dcuda=$cuda ${capability:+"-Dgpu_arch=$capability"}
ninja -C build/quickstart "examples/$program"
exec "build/quickstart/examples/$program" "$@"
