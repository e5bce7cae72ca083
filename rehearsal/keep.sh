#!/bin/sh
# Keeps one host on, in a mount namespace of its own: its disk is unmounted when its last process ends, however it ends.
# Called by host.py as `keep.sh begin`. Other arguments: the host's folder, its control group, its name for itself, its
# network namespace, the control namespace, its link there, and its layers (lowerdir), relative to the current folder.
set -eu

if [ "$1" = begin ]; then
    shift
    # Whoever called this sees the host as on from now on, until its last process has ended.
    echo $$ > "$2/cgroup.procs"
    # A session of its own: Ctrl-C and the end of the caller are nothing to the host.
    exec setsid --fork unshare --mount --propagation=slave sh "$0" "$@"
fi
folder=$1 cgroup=$2 name=$3 network=$4 control=$5 link=$6 lower=$7

echo $$ > "$cgroup/cgroup.procs"
touch "$folder/changed"
# index=off: after a power loss the kernel may still be busy taking the last mount of this disk apart.
mount -t overlay "rehearsal" -o "lowerdir=$lower,upperdir=$folder/disk,workdir=$folder/work,index=off" "$folder/root"
# nspawn keeps locks and folders by the host's name, which hosts of other fleets may have, and leaves them when killed.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn

# Pure cgroup v2 inside, also on a hybrid machine; sysctls of the network can be written.
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
while :; do
    code=0
    # The capabilities and bpf let units use IPAddressDeny=, SocketBindDeny=, RestrictNetworkInterfaces=, PrivateNetwork=.
    systemd-nspawn --quiet --boot --directory="$folder/root" --machine="$name" \
        --register=no --keep-unit --network-namespace-path="/run/netns/$network" --resolv-conf=off --timezone=off \
        --link-journal=no --console=pipe --capability=CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON --system-call-filter=bpf \
        || code=$?
    # 133: it reboots itself.
    [ "$code" = 133 ] || break
    touch "$folder/changed"
done
# It was shut down from inside: nobody answers any more, not even its kernel.
ip -n "$control" link set "$link" down || true
touch "$folder/changed"
