#!/bin/sh
# Checks that each public header compiles alone, without warnings, in the compiler $CXX (c++ by default). Headers of
# cuda/, and those named cuda_*, are compiled for the emulator.
set -eu
cd "$(dirname "$0")/../include"
EIGEN=$(pkg-config --cflags eigen3 2>/dev/null | sed 's/-I/-isystem/g' || true)
export EIGEN
# shellcheck disable=SC2016
find inlay -name '*.hpp' | sort | xargs -P "$(nproc)" -I{} sh -c '
  case {} in inlay/cuda/* | */cuda_*) emulator=-DINLAY_CUDA_EMULATOR ;; *) emulator= ;; esac
  if printf "#include <%s>\n" {} |
      ${CXX:-c++} -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only $emulator $EIGEN -I. -x c++ -; then
    echo "ok   {}"
  else
    echo "FAIL {}"
    exit 1
  fi'
