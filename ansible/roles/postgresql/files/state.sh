# What the data directory $1 holds: nothing, fresh (as it was made), standby, or data.
set -eu
if [ ! -d "$1/base" ]; then
    echo nothing
elif [ -e "$1/standby.signal" ]; then
    echo standby
elif [ -n "$(find "$1/base" -mindepth 1 -maxdepth 1 -name '[1-9][0-9][0-9][0-9][0-9]*')" ]; then
    echo data # databases that somebody made have numbers from 16384 on
else
    echo fresh
fi
