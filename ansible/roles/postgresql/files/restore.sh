# Restores FILE into a new database, and only once that is whole gives it the name DATABASE. The old one is kept under another
# name: nobody is asked twice at night.
set -eu
new=${DATABASE}_new old=${DATABASE}_before_$STAMP
sql() { runuser -u postgres -- psql -X -q -A -t -p "$PORT" -v ON_ERROR_STOP=1 -c "$1" "${2:-postgres}"; }

sql "DROP DATABASE IF EXISTS $new"
sql "CREATE DATABASE $new OWNER $OWNER"
runuser -u postgres -- pg_restore --port="$PORT" --dbname="$new" --no-owner --role="$OWNER" --no-privileges \
    --exit-on-error --jobs=2 "$FILE"
sql 'ANALYZE' "$new"
rm "$FILE"

# Nobody may come back between the two names.
sql "ALTER DATABASE $DATABASE ALLOW_CONNECTIONS false"
sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '$DATABASE'" >/dev/null
sql "ALTER DATABASE $DATABASE RENAME TO $old"
sql "ALTER DATABASE $new RENAME TO $DATABASE"
echo "$DATABASE is restored; what was there before is $old (drop it when nobody misses anything: DROP DATABASE $old)"
