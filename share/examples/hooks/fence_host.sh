#!/bin/sh
# Copy to remotes/hooks/ft/fence_host.sh of the state directory, chmod 755, and fill in how your hosts are
# switched off. Standard input: the host's XML in base64. Must end with 0 only when the host is off.
#
# This one reads FENCE_IP from the host's template (onehost update) and asks its management controller.
host=$(base64 -d)
ip=$(printf '%s' "$host" | sed -n 's/.*<FENCE_IP><!\[CDATA\[\([^]]*\)\]\]><\/FENCE_IP>.*/\1/p')
if [ -z "$ip" ]; then
    echo "the host has no FENCE_IP" >&2
    exit 1
fi
# Password in a file that only the user of oned can read.
exec fence_ipmilan --ip="$ip" --username=fence --password-script=/etc/one/fence_password --action=off
