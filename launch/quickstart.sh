#!/usr/bin/env bash
# From a fresh checkout to a GAN that draws digits: set-up, build, shards from the shipped MNIST, training on this machine.
# Run it as often as you like: what is done is not done again, only the training starts anew.
#   launch/quickstart.sh [--set key=value]...     the settings go to `ganymede train`
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

shards=build/shards/mnist-28
ganymede=build/release/ganymede
recipe=launch/recipes/mnist.toml
started=$SECONDS
step="starting"

say() { printf 'quickstart: %s\n' "$*" >&2; }
begin() {
  step=$1
  say "$step ($((SECONDS - started)) s since the start)"
}
explain() {
  code=$?
  [ "$code" -eq 0 ] && return
  say "failed while $step (exit code $code); the lines above say why."
  say "After mending it, run launch/quickstart.sh again: it goes on from here."
}
trap explain EXIT

case "${1:-}" in -h | --help) sed -n 2,4p "$0" | cut -c3- && exit 0 ;; esac

begin "installing what the build needs"
launch/setup.sh >&2

begin "building ganymede"
mkdir -p build
cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log >&2 && exit 1; }
cmake --build --preset release --target ganymede >&2

if [ -f "$shards/manifest.json" ]; then
  say "the shards are there: $shards"
else
  begin "writing MNIST as HDF5 shards"
  "$ganymede" data build datasets/mnist "$shards" >&2
fi

ranks=$(($(nproc) >= 2 ? 2 : 1))
if [ "$(id -u)" -eq 0 ] && [ "$ranks" -gt 1 ]; then
  say "you are root: Open MPI is told that this is meant"
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
begin "training on $ranks rank(s)"
said=$("$ganymede" train "$recipe" --ranks "$ranks" "$@")
run=$(printf '%s\n' "$said" | sed -n 's/^run: //p' | tail -n 1)
[ -d "$run" ] || { say "training ended without naming its run folder" && exit 70; }

step="looking for the samples"
shopt -s nullglob
grids=("$run"/samples/step-*.png)
[ ${#grids[@]} -gt 0 ] || { say "there is no sample grid in $run/samples" && exit 70; }
steps=$((10#$(sed 's/^step-//' "$run/LATEST")))
say "done after $((SECONDS - started)) s"
cat <<END

Samples of the trained generator: ${grids[-1]}
The run folder:                   $run

Try next:
  $ganymede sample $run -o build/samples.png --count 100 --seed 1
  $ganymede train --resume $run --set run.steps=$((2 * steps))
  $ganymede data synth ring build/shards/ring && $ganymede train launch/recipes/ring.toml
END
