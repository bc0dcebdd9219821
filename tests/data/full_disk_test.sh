#!/bin/bash
# `data build` onto a full disk: exit code 73, a message that says so, nothing left behind. A small tmpfs in a mount
# namespace of its own is the disk, which needs root.
set -u
tool=$1
if [ "$(id -u)" != 0 ]; then echo "needs root, to mount a small tmpfs"; exit 1; fi
exec unshare --mount bash -c '
  set -u
  tool=$1
  disk=$(mktemp -d)
  mount -t tmpfs -o size=4m tmpfs "$disk" || exit 1
  trap "umount \"$disk\"; rmdir \"$disk\"" EXIT
  for command in "idx datasets/mnist $disk/mnist" "ring $disk/ring 1000000 1"; do
    text=$("$tool" $command 2>&1); code=$?
    echo "$code: $text"
    [ $code = 73 ] || { echo "expected exit code 73"; exit 1; }
    grep -q "No space left" <<<"$text" || { echo "the message does not say why"; exit 1; }
    [ -z "$(ls -A "$disk")" ] || { echo "left behind:"; ls -lA "$disk"; exit 1; }
  done
  "$tool" ring "$disk/ring" 1000 1 && [ -f "$disk/ring/manifest.json" ]
' full_disk "$tool"
