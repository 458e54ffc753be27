#!/bin/sh
# Checks that C++ files compile alone, without warnings: check-sources.sh OPTION... FILE..., in the compiler $CXX (c++ by
# default). Those of a folder cuda/, and those named cuda_*, are compiled for the emulator. No code is generated.
set -eu
cd "$(dirname "$0")/.."
options=$(pkg-config --cflags eigen3 2>/dev/null | sed 's/-I/-isystem/g' || true)
while [ $# -gt 0 ] && [ "${1#-}" != "$1" ]; do
  options="$options $1"
  shift
done
export options
# A header is included: it would be warned of as the main file.
# shellcheck disable=SC2016
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} sh -c '
  case {} in *tests/cuda/* | */inlay/cuda/* | */cuda_*) emulator=-DINLAY_CUDA_EMULATOR ;; *) emulator= ;; esac
  case {} in *.hpp) input=- ;; *) input={} ;; esac
  if printf "#include \"%s\"\n" {} |
      ${CXX:-c++} -std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Werror -fsyntax-only $emulator $options -Iinclude \
        -x c++ $input; then
    echo "ok   {}"
  else
    echo "FAIL {}"
    exit 1
  fi'
