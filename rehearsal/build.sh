#!/bin/sh
# Fills one layer: `build.sh base` by debootstrap, `build.sh packages` by apt. Called by build.py, in mount and process
# namespaces of its own: whatever is mounted or started here ends with it, also when it is killed.
# Environment: WORK (folder of this build: upper/ becomes the layer), LOWER (layers below, in the folder it is called
# in; empty for the base), RELEASE, PACKAGES, MIRROR (may be empty), KEYRING, LISTS (apt's lists, shared), APT (apt.conf).
set -eu

root=$WORK/root
mkdir -p "$WORK/upper" "$WORK/work" "$WORK/empty" "$root" "$LISTS/partial"
# volatile: nothing is synced to disk on the way. dpkg would sync each file; a build that a crash cuts short is thrown away.
mount -t overlay overlay -o "lowerdir=${LOWER:-$WORK/empty},upperdir=$WORK/upper,workdir=$WORK/work,volatile" "$root"

base() {
    # Documentation and translations are the greater part of what minbase would unpack.
    mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
    grep -o 'path-exclude=[^"]*' "$APT" > "$root/etc/dpkg/dpkg.cfg.d/build"
    debootstrap --variant=minbase --keyring="$KEYRING" --include="$(echo "$PACKAGES" | tr ' ' ',')" \
        "$RELEASE" "$root" ${MIRROR:+"$MIRROR"}
    # For layers to be built upon it, where this machine's apt names no mirror of Debian.
    cp "$root/etc/apt/sources.list" "$LISTS.sources"
    : > "$root/etc/apt/sources.list"
    rm -f "$root/etc/dpkg/dpkg.cfg.d/build" "$root"/etc/ssh/ssh_host_* "$root/etc/machine-id" \
        "$root/etc/resolv.conf" "$root/etc/hostname"
    rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/var/lib/apt/lists/*

    # Nobody logs in at the console, nothing is downloaded at night: both would only cost time when a host boots.
    for unit in console-getty.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    # Logs on disk are still there after a power loss.
    mkdir -p "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitIntervalSec=0\n' \
        > "$root/etc/systemd/journald.conf.d/rehearsal.conf"
    # There is no name server; one that refuses answers in milliseconds, one that is silent in 20 s.
    printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > "$root/etc/resolv.conf"
}

packages() {
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/run"
    mount --bind "$LISTS" "$root/var/lib/apt/lists"
    # This machine's mirror, proxy and credentials are seen from inside, not copied.
    mkdir -p "$root/run/build/etc-apt"
    cp "$APT" "$root/run/build/apt.conf"
    cp "${MIRROR_LIST:-$LISTS.sources}" "$root/run/build/sources.list"
    mount --bind -o ro /etc/apt "$root/run/build/etc-apt"
    [ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$root/run/build/ca.crt"
    mount --bind "$(readlink -f /etc/resolv.conf)" "$root/etc/resolv.conf"
    [ -e "$root/etc/hosts" ] && mount --bind /etc/hosts "$root/etc/hosts"
    # Services are installed, not started (Debian policy 9.3.3.4).
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"

    export APT_CONFIG=/run/build/apt.conf DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 HOME=/root
    inside="env PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot $root"
    # One update serves all layers that are built within the hour.
    exec 9> "$LISTS.lock"
    flock 9
    [ -n "$(find "$LISTS" -name '*_Packages*' -mmin -60)" ] || $inside apt-get update --quiet
    flock --shared 9
    # shellcheck disable=SC2086 - several words
    $inside apt-get install --yes --quiet --no-install-recommends $PACKAGES

    rm -rf "$root/usr/sbin/policy-rc.d" "$root"/var/cache/apt/* "$root"/var/log/apt "$root/var/log/dpkg.log"
    # Whatever configures the host enables what it wants to run.
    find "$WORK/upper/etc/systemd/system" -path '*.wants/*' -type l -delete 2>/dev/null || true
}

"$1"
