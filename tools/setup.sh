# What tools/test.sh and tools/quickstart.sh share; they source it from the top folder.

# run_meson ARGUMENT...: Debian's Meson where it is installed; a Python environment may put a stub of one before it on PATH.
run_meson() {
  if [ -x /usr/bin/meson ]; then /usr/bin/meson "$@"; else meson "$@"; fi
}

# need PACKAGE...: installs the Debian packages that are missing when run as root, else names them and stops.
need() {
  missing=
  for package in "$@"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "This is no Debian system: make sure that it has what these packages hold:$missing" >&2
  elif [ "$(id -u)" -eq 0 ]; then
    # shellcheck disable=SC2086
    { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } >&2
  else
    echo "These Debian packages are missing:$missing" >&2
    echo "Install them with: sudo apt-get install$missing" >&2
    exit 1
  fi
}

# configure FOLDER OPTION...: sets up that build folder, or updates the options of an existing one.
configure() {
  folder=$1
  shift
  if [ -f "$folder/build.ninja" ]; then
    run_meson setup --reconfigure "$folder" "$@"
  else
    run_meson setup "$folder" "$@"
  fi
}

# own_arch: what to compile CUDA programs for that run on the first GPU here: its compute capability without the dot, 90a
# for Hopper, whose products of warpgroups are in no other.
own_arch() {
  nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | sed -n '1{s/\.//;s/^90$/90a/;p;}'
}

if ! command -v nvcc >/dev/null && [ -x /usr/local/cuda/bin/nvcc ]; then
  PATH=$PATH:/usr/local/cuda/bin
fi
