#!/bin/sh
# Builds everything and runs every test: `sh tools/test.sh`. Installs missing Debian packages when run as root. CUDA
# sources are compiled too where nvcc is on PATH or in /usr/local/cuda/bin, and run where there is a GPU. The tests of
# the CPU's kernels, training and data are then built and run a second time with clang++, which compiles the others too.
# The last line says how many passed and failed: doctest cases one by one, and each other Meson test as one.
set -eu
cd "$(dirname "$0")/.."
. tools/setup.sh
need g++ clang libomp-dev meson ninja-build pkg-config python3 zlib1g-dev doctest-dev libeigen3-dev \
  libboost-context-dev libbenchmark-dev dataset-fashion-mnist

status=0
build_and_test() { # FOLDER MESON_TEST_ARGUMENT...
  folder=$1
  shift
  { ninja -C "$folder" 2>&1 || echo 'the build failed'; } | tee "$folder/build.log"
  if tail -n 1 "$folder/build.log" | grep -q 'the build failed'; then exit 1; fi
  if grep 'wgmma.mma_async instructions are serialized' "$folder/build.log"; then  # ptxas has no way to make it an error
    status=1
  fi
  run_meson test -C "$folder" --no-rebuild --print-errorlogs "$@" || status=$?
}

configure build/test -Dtests=true -Dexamples=true -Dbenchmarks=true
build_and_test build/test
CXX=clang++ configure build/test-clang -Dtests=true -Dkernels_only=true -Dexamples=false -Dbenchmarks=false -Dcuda=disabled
build_and_test build/test-clang --suite unit

# Each test of a log is a block with a line "result: ..." and what the test printed.
awk '
  function close_block() {
    if (!in_block) return
    if (summary) { passed += cases_passed; failed += cases_failed; if (!ok && !cases_failed) failed++ }
    else if (ok) passed++
    else if (!skipped) failed++
    in_block = 0
  }
  FNR == 1 { close_block() }
  /^=+ *[0-9]+\/[0-9]+ *=+$/ { close_block(); in_block = 1; summary = ok = skipped = 0; next }
  /^result: / && in_block { ok = $0 ~ /exit status 0$/; skipped = $0 ~ /exit status 77$/ }
  /^\[doctest\] test cases:/ && in_block {
    summary = 1
    split($0, part, "|"); split(part[2], p, " "); split(part[3], f, " ")
    cases_passed = p[1]; cases_failed = f[1]
  }
  END { close_block(); printf "%d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0 }
' build/test/meson-logs/testlog.txt build/test-clang/meson-logs/testlog.txt || status=1
exit "$status"
