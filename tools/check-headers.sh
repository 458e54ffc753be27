#!/bin/sh
# Checks that each public header compiles alone, without warnings, in the compiler $CXX (c++ by default). Headers of
# cuda/ are compiled as the emulator does.
set -eu
cd "$(dirname "$0")/../include"
# shellcheck disable=SC2016
find inlay -name '*.hpp' | sort | xargs -P "$(nproc)" -I{} sh -c '
  case {} in inlay/cuda/*) emulator=-DINLAY_CUDA_EMULATOR ;; *) emulator= ;; esac
  if printf "#include <%s>\n" {} |
      ${CXX:-c++} -std=c++20 -Wall -Wextra -Wshadow -Werror -fsyntax-only $emulator -I. -x c++ -; then
    echo "ok   {}"
  else
    echo "FAIL {}"
    exit 1
  fi'
