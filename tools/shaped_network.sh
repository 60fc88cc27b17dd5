#!/usr/bin/env bash
# Runs a command on RANKS ranks, each in a network namespace of its own as if it were on a machine of its own, whose link has
# that RATE and DELAY one way, as tc(8) writes them; a delay other than 0 needs a kernel with netem:
#     tools/shaped_network.sh 2 1gbit 0 build/release/convoy bench resnet9 --train
# Needs root, iproute2 and Open MPI. What it sets up goes away with it.
set -euo pipefail

if [ "${SHAPED_NETWORK-}" != 1 ]; then
  exec env SHAPED_NETWORK=1 unshare --net --mount --uts --fork "$0" "$@"
fi
ranks=$1 rate=$2 delay=$3
shift 3
readonly subnet=10.77.0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p /run/netns && mount -t tmpfs names /run/netns
ip link set dev lo up
ip link add switch type bridge
ip addr add "$subnet.254/24" dev switch
ip link set dev switch up
hosts=()
for ((rank = 0; rank < ranks; ++rank)); do
  machine=machine$rank
  ip netns add "$machine"
  ip link add "port$rank" type veth peer name eth0 netns "$machine"
  ip link set dev "port$rank" master switch up
  ip -n "$machine" addr add "$subnet.$((rank + 1))/24" dev eth0
  ip -n "$machine" link set dev lo up
  ip -n "$machine" link set dev eth0 up
  if [ "$delay" = 0 ]; then
    tc -n "$machine" qdisc add dev eth0 root tbf rate "$rate" burst 64kb latency 5ms
  else
    tc -n "$machine" qdisc add dev eth0 root netem delay "$delay" rate "$rate" limit 100000
  fi
  hosts+=("$subnet.$((rank + 1)):1")
done

# What mpirun takes for ssh: HOST COMMAND...
cat >"$work/enter" <<'END'
#!/usr/bin/env bash
machine=machine$((${1##*.} - 1))
shift
exec ip netns exec "$machine" unshare --uts bash -c 'hostname "$0" && eval "$1"' "$machine" "$*"
END
chmod +x "$work/enter"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
mpirun -np "$ranks" --host "$(IFS=, && echo "${hosts[*]}")" --bind-to none --mca plm rsh --mca plm_rsh_agent "$work/enter" \
  --mca orte_tmpdir_base "$work" --mca pml ob1 --mca btl self,tcp --mca btl_tcp_if_include "$subnet.0/24" \
  --mca oob_tcp_if_include "$subnet.0/24" "$@"
