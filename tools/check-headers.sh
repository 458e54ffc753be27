#!/bin/sh
# Checks that each public header compiles alone, as check-sources.sh does.
set -eu
cd "$(dirname "$0")/.."
find include/inlay -name '*.hpp' | sort | xargs sh tools/check-sources.sh
