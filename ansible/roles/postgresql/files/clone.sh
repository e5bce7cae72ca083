# Replaces a server as it was made by a copy of the primary, once; prints what it did. With CHECK it only prints.
set -eu
[ ! -e "$DATA/standby.signal" ] || exit 0
echo "cloned from the primary"
[ -z "$CHECK" ] || exit 0
rm -rf "$DATA.new"
runuser -u postgres -- pg_basebackup --pgdata="$DATA.new" --checkpoint=fast --dbname="$PRIMARY"
runuser -u postgres -- touch "$DATA.new/standby.signal"
systemctl stop "$UNIT"
rm -rf "$DATA"
mv "$DATA.new" "$DATA"
systemctl start "$UNIT"
