#!/bin/sh
# Checks that C++ sources compile without warnings, as tests do: check-sources.sh OPTION... SOURCE..., in the compiler
# $CXX (c++ by default). Those of a folder cuda/ are compiled for the emulator. No code is generated.
set -eu
cd "$(dirname "$0")/.."
options=$(pkg-config --cflags eigen3 2>/dev/null | sed 's/-I/-isystem/g' || true)
while [ $# -gt 0 ] && [ "${1#-}" != "$1" ]; do
  options="$options $1"
  shift
done
export options
# shellcheck disable=SC2016
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} sh -c '
  case {} in */cuda/*) emulator=-DINLAY_CUDA_EMULATOR ;; *) emulator= ;; esac
  if ${CXX:-c++} -std=c++20 -fopenmp -Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only $emulator $options \
      -Iinclude {}; then
    echo "ok   {}"
  else
    echo "FAIL {}"
    exit 1
  fi'
