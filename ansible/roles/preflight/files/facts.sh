# What a host is, line by line NAME=VALUE; asked without Python, which may be what is missing.
. /etc/os-release
echo "os=$ID"
echo "release=$VERSION_ID"
echo "python=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
awk '$1 == "MemTotal:" {printf "memory=%d\n", $2 / 1024}' /proc/meminfo
df -Pk /var | awk 'NR == 2 {printf "disk=%d\n", $4 / 1024}'
echo "clock=$(date +%s)"
