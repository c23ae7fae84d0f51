#!/bin/sh
# A mail about a machine: reads its number and its XML in base64.
read -r id template
printf '%s' "$template" | base64 -d | mail -s "machine $id could not be started" root
