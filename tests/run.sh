#!/usr/bin/env bash
# Set-up, build and every test that this machine can run. Ends with ctest's summary and its exit code.
#   tests/run.sh [--full] [--sanitizers] [--unprivileged] [ctest arguments]
#     --full           also the long sweeps (label `full`), and the preset cuda, run on the host (a download of 3 GB)
#     --sanitizers     before that: unit tests and a run on 2 ranks, built for the address and for the thread sanitizer
#     --unprivileged   leave out the tests that need root (label `root`)
#   for example: tests/run.sh -L unit      tests/run.sh -R equality --full
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

full=false sanitizers=false unprivileged=false
arguments=()
for argument in "$@"; do
  case $argument in
    --full) full=true ;;
    --sanitizers) sanitizers=true ;;
    --unprivileged) unprivileged=true ;;
    -h | --help) sed -n 2,7p "$0" | cut -c3- && exit 0 ;;
    *) arguments+=("$argument") ;;
  esac
done
say() { printf 'tests: %s\n' "$*"; }

if [ "$(id -u)" -ne 0 ] && ! $unprivileged; then
  say "some tests mount a file system, emulate hosts or start Slurm, which needs root: run this as root, or leave them out with --unprivileged" >&2
  exit 69
fi
if [ "$(id -u)" -eq 0 ]; then
  say "running as root: Open MPI is told that this is meant"
fi
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Two tests share two cores: a second OpenMP thread in each would spend its time waiting for the other's.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

left_out=()
$full || left_out+=(full)
$unprivileged && left_out+=(root)
command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1 || left_out+=(gpu)
pattern="^($(IFS='|' && echo "${left_out[*]:-none}"))\$"

launch/setup.sh

# What only tests need: emulated hosts, a file system to freeze, a Slurm of our own. The quickstart does without.
test_packages=(slurm-wlm munge iproute2 util-linux e2fsprogs mount)
if ! $unprivileged && command -v dpkg-query >/dev/null; then
  missing=()
  for package in "${test_packages[@]}"; do
    [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)" = "install ok installed" ] || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    say "installing for the tests: ${missing[*]}"
    apt-get update -qq
    # No daemon may start by itself: the tests start their own.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
fi

# sanitized PRESET: its unit tests, then a short run on two ranks, which must also end without a report.
sanitized() {
  say "unit tests and a run on 2 ranks, preset $1"
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1"
  ctest --test-dir "build/$1" --output-on-failure -j2 -L unit -LE "$pattern"
  # Slow unwinding sees through Open MPI's frames, which keep no frame pointer.
  ASAN_OPTIONS=$ASAN_OPTIONS,fast_unwind_on_malloc=0 .venv/bin/python tests/program/two_rank_run.py "build/$1/ganymede"
}
if $sanitizers; then
  here=$PWD/tests/sanitizers
  # The libraries are not instrumented: what happens inside them is not ours to judge.
  export ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS=suppressions=$here/leaks.txt,print_suppressions=0
  export UBSAN_OPTIONS=halt_on_error=1,print_stacktrace=1
  export TSAN_OPTIONS=suppressions=$here/threads.txt,ignore_noninstrumented_modules=1,halt_on_error=1
  sanitized asan
  sanitized tsan
  unset ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
fi

cmake --preset release -DGANYMEDE_TESTS=ON
cmake --build --preset release
if $full; then
  say "the preset cuda: built, and run on the host"
  launch/setup.sh --cuda
  cmake --preset cuda -DGANYMEDE_TESTS=OFF >/dev/null
  cmake --build --preset cuda
  GANYMEDE=build/cuda/ganymede .venv/bin/python tests/program/device_test.py
fi
say "left out: ${left_out[*]:-nothing} (full: --full; gpu: where there is a GPU; root: without --unprivileged)"
code=0
ctest --test-dir build/release --output-on-failure -j2 -LE "$pattern" "${arguments[@]}" || code=$?
if $unprivileged; then say "--unprivileged was given: the tests labelled root were left out"; fi
exit $code
