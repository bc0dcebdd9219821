#!/usr/bin/env bash
# Several hosts on one machine: each is a network namespace with its own address and a UTS namespace with its own name, joined by a
# bridge. mpirun reaches them through this script as its remote shell. Needs root, iproute2, util-linux and Open MPI.
#   hosts.sh up N              make node1 ... nodeN (10.77.0.1 ... N)
#   hosts.sh rate MBIT|off     limit every host's link, both ways
#   hosts.sh run HOST CMD...   run a command on a host
#   hosts.sh mpirun ARGS...    mpirun, started on node1
#   hosts.sh link HOST up|down cut or restore a host's link
#   hosts.sh down              remove them all, ending what runs there
# All state is below $HOSTS_DIR, and no name is global: several sets live side by side. Started inside `unshare --mount --pid --fork
# --kill-child` everything is gone when the command that was started there ends, however it ends.
set -u
state=${HOSTS_DIR:-${TMPDIR:-/tmp}/hosts}
self=$(readlink -f "$0")
nodes() { ls "$state/net" | grep '^node'; }
net_of() { nsenter --net="$state/net/$1" "${@:2}"; }

case ${1:-} in
  up)
    mkdir -p "$state/uts" "$state/net"
    echo "127.0.0.1 localhost" > "$state/hosts"
    touch "$state/net/fabric"
    unshare --net="$state/net/fabric" ip link set lo up
    net_of fabric ip link add br0 type bridge
    net_of fabric ip link set br0 up
    for i in $(seq "$2"); do
      h=node$i
      touch "$state/net/$h" "$state/uts/$h"
      unshare --net="$state/net/$h" ip link set lo up
      unshare --uts="$state/uts/$h" hostname "$h"
      net_of fabric ip link add "p$i" type veth peer name eth0 netns "$state/net/$h"
      net_of fabric ip link set "p$i" master br0 up
      net_of "$h" ip addr add "10.77.0.$i/24" dev eth0
      net_of "$h" ip link set eth0 up
      # mpirun gives a cut connection up when the kernel does: after 13 s instead of 15 minutes.
      net_of "$h" sh -c "echo 5 > /proc/sys/net/ipv4/tcp_retries2"
      echo "10.77.0.$i $h" >> "$state/hosts"
    done
    ;;
  rate)
    for h in $(nodes); do
      for end in "$h eth0" "fabric p${h#node}"; do
        read -r where device <<< "$end"
        if [ "$2" = off ]; then
          net_of "$where" tc qdisc del dev "$device" root 2>/dev/null || true  # there may be none
        else
          net_of "$where" tc qdisc replace dev "$device" root tbf rate "$2"mbit burst 256kb latency 50ms
        fi
      done
    done
    ;;
  link) net_of fabric ip link set "p${2#node}" "$3" ;;
  run)
    h=$2
    shift 2
    exec nsenter --uts="$state/uts/$h" --net="$state/net/$h" unshare -m env -i HOME="$HOME" PATH="$PATH" HOSTS_DIR="$state" OMP_NUM_THREADS=1 \
      OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 sh -c "mount --bind $state/hosts /etc/hosts; $*"
    ;;
  mpirun)
    shift
    exec "$self" run node1 "cd $PWD && exec mpirun --mca plm_rsh_agent '$self run' --mca plm_rsh_no_tree_spawn 1 \
      --mca pml ob1 --mca btl tcp,vader,self --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0 --mca btl_tcp_links 2 \
      --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 3 \
      --mca btl_vader_single_copy_mechanism none --bind-to none --mca mpi_yield_when_idle 1 $*"
    ;;
  down)
    for h in $(nodes) fabric; do
      inode=$(stat -Lc %i "$state/net/$h")
      for process in /proc/[0-9]*; do
        [ "$(stat -Lc %i "$process/ns/net" 2>/dev/null)" = "$inode" ] && kill -9 "${process#/proc/}" 2>/dev/null
      done
    done
    umount "$state"/uts/* "$state"/net/* && rm -rf "$state"
    ;;
  *)
    sed -n 2,11p "$self" | cut -c3-
    exit 64
    ;;
esac
