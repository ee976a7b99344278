#!/bin/sh
# The stopped canary is the hard one: it cannot end by itself.
: > "/tmp/$ISOLAB_CANARY_LEFT"
: > "/dev/shm/$ISOLAB_CANARY_LEFT"
kill -STOP "$ISOLAB_CANARY_PID"
: > ready
sleep 600
