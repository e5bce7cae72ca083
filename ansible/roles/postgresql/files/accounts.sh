# Makes what is missing of roles and database, and sets passwords that are not what they should be; prints what it did.
# With CHECK it only prints. Passwords come in the environment and go to psql in its own: never in an argument.
set -eu
command -v psql >/dev/null || exit 0 # a dry run on a host that has nothing yet
as_postgres() { runuser -u postgres -- psql -X -q -A -t -p "$PORT" -v ON_ERROR_STOP=1 "$@"; }

names=$(printf '%s' "$LOGINS" | cut -d ' ' -f 1 | tr '\n' ' ')
missing=$(as_postgres -v owner="$OWNER" -v database="$DATABASE" -v logins="$names" -v copier="${REPLICATION%% *}" <<'SQL'
WITH login AS (SELECT name FROM unnest(string_to_array(trim(:'logins'), ' ')) AS name),
     missing AS (SELECT name FROM login WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)),
     member AS (SELECT r.rolname, r.rolcanlogin FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
                JOIN pg_roles o ON o.oid = m.roleid WHERE o.rolname = :'owner')
SELECT statement FROM (
  SELECT 1, format('CREATE ROLE %I NOLOGIN', :'owner') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner')
  UNION ALL SELECT 2, format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
  UNION ALL SELECT 3, format('CREATE ROLE %I LOGIN IN ROLE %I', name, :'owner') FROM missing
  UNION ALL SELECT 4, format('ALTER ROLE %I SET role = %I', name, :'owner') FROM missing
  UNION ALL SELECT 5, format('ALTER ROLE %I LOGIN', rolname) FROM member
    WHERE NOT rolcanlogin AND rolname IN (SELECT name FROM login)
  UNION ALL SELECT 6, format('ALTER ROLE %I NOLOGIN PASSWORD NULL', rolname) FROM member
    WHERE rolcanlogin AND rolname NOT IN (SELECT name FROM login)
  UNION ALL SELECT 7, format('CREATE ROLE %I LOGIN REPLICATION', :'copier')
    WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'copier')
) AS each (step, statement) ORDER BY step;
SQL
)
if [ -n "$missing" ]; then
    printf '%s\n' "$missing"
    [ -n "$CHECK" ] || printf '%s;\n' "$missing" | sed 's/[^;]$/&;/' | as_postgres
fi

# Who can log in with a password has it; asked as the project asks, over TLS.
has_it() { PGPASSWORD=$2 psql -X -q -A -t -c "$4" "host=$ADDRESS port=$PORT user=$1 $3" </dev/null >/dev/null 2>&1; }
set_it() {
    echo "ALTER ROLE $1 PASSWORD"
    [ -n "$CHECK" ] || LOGIN=$1 PASSWORD=$2 as_postgres <<'SQL'
\getenv login LOGIN
\getenv password PASSWORD
ALTER ROLE :"login" PASSWORD :'password';
SQL
}
printf '%s' "$LOGINS" | while read -r login password; do
    has_it "$login" "$password" "dbname=$DATABASE" "SELECT 1" || set_it "$login" "$password"
done
has_it ${REPLICATION} "dbname=postgres replication=yes" IDENTIFY_SYSTEM || set_it ${REPLICATION}
