#!/bin/sh
# Becomes a command of this machine with the fleet's names: `inside.sh FOLDER COMMAND...`, called in the fleet's network
# and in a mount namespace of its own. Without a name server in reach a lookup would take seconds to fail.
set -eu
mount --bind "$1/etc/hosts" /etc/hosts
mount --bind "$1/etc/resolv.conf" /etc/resolv.conf
shift
exec "$@"
