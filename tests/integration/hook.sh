#!/bin/sh
# hook.sh WORD: a command of a program's own in the tests of drain; see draining.py. In $HERE it
# notes down that it has begun and ended, and what it has started. It lasts until hold-WORD is gone,
# and fails with the text of fail-WORD.
note() { echo "$* $SUPERVISOR_PROCESS_NAME $RESTARTER_PID $$" >> "$HERE/events"; }
sleep 1000 &
echo $! >> "$HERE/children"
note "$1"
while [ -e "$HERE/hold-$1" ]; do sleep 0.02; done
if [ -e "$HERE/fail-$1" ]; then
    cat "$HERE/fail-$1" >&2
    note "$1-failed"
    exit 7
fi
note "$1-ended"
