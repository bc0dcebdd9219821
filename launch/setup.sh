#!/usr/bin/env bash
# Installs what ganymede needs: Debian packages (as root, or through sudo), and a Python environment in .venv
# that holds the pinned LibTorch (the CPU wheel) and what the tests read files with. Run it as often as you like.
#   launch/setup.sh            everything, tests included
#   launch/setup.sh --cuda     everything, and in .venv-cuda the LibTorch with CUDA 13 and NCCL (5.5 GB) for the preset `cuda`
#   launch/setup.sh --list     only print what is needed, install nothing
# A LibTorch of your own (2.4 or newer): set GANYMEDE_TORCH=DIR, and no wheel is installed for the build.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

torch_version=2.13.0
cuda_torch_version=2.14.1
packages=(
  build-essential cmake ninja-build ccache pkg-config git ca-certificates
  libopenmpi-dev openmpi-bin libhdf5-dev hdf5-tools
  libfmt-dev libspdlog-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev librandom123-dev
  libpng-dev zlib1g-dev libssl-dev libxxhash-dev libgtest-dev libgmock-dev librapidcheck-dev
  iproute2 util-linux procps python3 python3-venv
)
python_packages=("torch==$torch_version" "numpy==2.3.*" "h5py==3.14.*" "scipy==1.16.*" "pillow==11.*" "safetensors==0.8.*")

say() { printf 'setup: %s\n' "$*"; }

list_needs() {
  say "ganymede is built from these Debian 12 packages (other systems: the same libraries by their own names):"
  printf '  %s\n' "${packages[@]}"
  say "and from LibTorch 2.4 or newer; the tests also use these Python packages:"
  printf '  %s\n' "${python_packages[@]}"
  say "for NVIDIA GPUs (--cuda), in an environment of its own: torch==$cuda_torch_version, whose wheel brings the CUDA 13 runtime and NCCL"
}

if [ "${1:-}" = --list ]; then list_needs; exit 0; fi
with_cuda=false
if [ "${1:-}" = --cuda ]; then with_cuda=true; shift; fi
if [ $# -gt 0 ]; then sed -n 2,7p "$0" | cut -c3-; exit 64; fi

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  list_needs
  say "this system has no apt-get, so nothing was installed; install the list above, then build with CMake (see README.md)"
  exit 69
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  say "all ${#packages[@]} Debian packages are there"
else
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  if [ "$(id -u)" -eq 0 ]; then as_root=(env); elif command -v sudo >/dev/null; then as_root=(sudo); else
    say "installing needs root, and there is no sudo here; as root run: apt-get install ${missing[*]}"
    exit 69
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# The wheel exists for Debian 12's Python 3.11 and its neighbours; a newer default python3 is passed over if 3.11 is there.
python=python3
command -v python3.11 >/dev/null && python3.11 -c 'import venv, ensurepip' 2>/dev/null && python=python3.11
# environment FOLDER PACKAGES…
environment() {
  local folder=$1 stamp=$1/.complete
  shift
  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$*" ]; then
    say "the Python environment $folder is complete"
    return
  fi
  say "making $folder with $("$python" --version): $*"
  "$python" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
  printf '%s' "$*" > "$stamp"
}
environment .venv "${python_packages[@]}"
if $with_cuda; then environment .venv-cuda "torch==$cuda_torch_version" "nvidia-cuda-cccl==13.0.*"; fi  # cccl: headers that nccl.h takes
say "done"
