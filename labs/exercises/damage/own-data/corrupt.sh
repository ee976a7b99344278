#!/bin/sh
# A program may ruin what is its own: it writes over its own data file.
set -eu

echo "my data was: $(cut -c1-14 "$ISOLAB_CANARY_OWN")..."
printf '%s' "$ISOLAB_CANARY_MARK" > "$ISOLAB_CANARY_OWN"
echo "and now it is gone"
printf '{"wrote": "allowed"}\n'
