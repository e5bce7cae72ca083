#!/bin/sh
# Fills one layer: `build.sh base` by debootstrap, `build.sh packages` by apt, `build.sh repository` with what apt would
# install. Called by build.py, in mount and process namespaces of its own: whatever is mounted or started here ends with
# it, also when it is killed.
# Environment: WORK (folder of this build; upper/ in it becomes the layer), LOWER (layers below, relative to the current
# folder; empty for the base), RELEASE, PACKAGES, MIRROR (may be empty), KEYRING, LISTS (apt's lists, shared by all
# builds), APT (apt.conf), SOURCES (sources.list).
set -eu

root=$WORK/root
mkdir -p "$WORK/upper" "$WORK/work" "$WORK/empty" "$root" "$LISTS/partial"
# volatile: dpkg syncs each file to disk, which is of no use here. A build that a crash cuts short is thrown away.
mount -t overlay overlay -o "lowerdir=${LOWER:-$WORK/empty},upperdir=$WORK/upper,workdir=$WORK/work,volatile" "$root"

base() {
    # Documentation and translations are the greater part of what would be unpacked.
    mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
    grep -o 'path-exclude=[^"]*' "$APT" > "$root/etc/dpkg/dpkg.cfg.d/build"
    debootstrap --variant=minbase --keyring="$KEYRING" --include="$(echo "$PACKAGES" | tr ' ' ',')" \
        "$RELEASE" "$root" ${MIRROR:+"$MIRROR"}
    # For the layers upon it, where this machine's apt names no mirror of Debian and debootstrap took its own.
    mv "$root/etc/apt/sources.list" "$LISTS.sources"
    : > "$root/etc/apt/sources.list"
    rm -rf "$root/etc/dpkg/dpkg.cfg.d/build" "$root/etc/machine-id" "$root/etc/hostname" "$root"/var/lib/apt/lists/* \
        "$root"/usr/share/doc/* "$root"/usr/share/info/* "$root"/usr/share/man/* "$root"/usr/share/locale/*

    # Nobody logs in at the console, nothing is downloaded at night: both would only cost time when a host boots.
    for unit in console-getty.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    # What was logged is still there after a power loss.
    mkdir -p "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitIntervalSec=0\n' \
        > "$root/etc/systemd/journald.conf.d/rehearsal.conf"
    # There is no name server. One that refuses answers within milliseconds, one that is silent takes 20 s.
    printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > "$root/etc/resolv.conf"
    printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
}

packages() {
    reach_mirror
    # Services are installed, not started (/usr/share/doc/init-system-helpers/README.policy-rc.d.gz).
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    # shellcheck disable=SC2086 - several words
    inside apt-get install --yes --quiet --no-install-recommends $PACKAGES
    rm "$root/usr/sbin/policy-rc.d"
    # Whatever configures the host enables what it wants to run.
    [ ! -d "$WORK/upper/etc/systemd/system" ] ||
        find "$WORK/upper/etc/systemd/system" -path '*.wants/*' -type l -delete
}

repository() {
    reach_mirror
    folder=/opt/repository
    mkdir -p "$root$folder/partial"
    # shellcheck disable=SC2086 - several words
    inside apt-get install --yes --quiet --no-install-recommends --download-only -o "Dir::Cache::archives=$folder" $PACKAGES
    rm -r "$root$folder/partial" "$root$folder/lock"
    # shellcheck disable=SC2016 - it expands these inside
    inside sh -euc 'cd "$1"; for file in *.deb; do
        dpkg-deb --field "$file"
        printf "Filename: ./%s\nSize: %s\nSHA256: %s\n\n" "$file" "$(stat -c %s "$file")" "$(sha256sum < "$file" | cut -c-64)"
    done > Packages' index "$folder"
    echo "deb [trusted=yes] file:$folder ./" > "$root/etc/apt/sources.list.d/rehearsal.list"
    umount "$root/var/lib/apt/lists"
    env PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" apt-get update --quiet
    # What hosts install from it is unpacked as layers are: without documentation, and not synced file by file.
    { echo force-unsafe-io; grep -o 'path-exclude=[^"]*' "$APT"; } > "$root/etc/dpkg/dpkg.cfg.d/rehearsal"
}

# This machine's ways to its mirror are seen from inside, not copied: lists, credentials, certificates, names.
reach_mirror() {
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/run"
    mkdir -p "$root/run/build/etc-apt"
    cp "$APT" "$root/run/build/apt.conf"
    cp "$SOURCES" "$root/run/build/sources.list"
    [ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp /etc/ssl/certs/ca-certificates.crt "$root/run/build/ca.crt"
    mount --bind /etc/apt "$root/run/build/etc-apt"
    mount --bind "$LISTS" "$root/var/lib/apt/lists"
    mount --bind /etc/hosts "$root/etc/hosts"
    mount --bind /etc/resolv.conf "$root/etc/resolv.conf"

    # One update serves all layers that are built within the hour.
    exec 9> "$LISTS.lock"
    flock 9
    [ -n "$(find "$LISTS" -name '*_Packages*' -mmin -60)" ] || inside apt-get update --quiet
    flock --shared 9
}

inside() {
    env PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        APT_CONFIG=/run/build/apt.conf chroot "$root" "$@"
}

"$1"
# What one host alone may have: hosts that share a secret would hide that nobody gave them one.
rm -f "$root"/etc/ssh/ssh_host_* "$root/var/lib/rabbitmq/.erlang.cookie"
find "$root/var/cache/apt" "$root/var/log" -type f -delete
