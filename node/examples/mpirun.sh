#!/usr/bin/env bash
# Open MPI's mpirun, but Ctrl-C and SIGTERM have the run save before it ends: they become SIGUSR2, which mpirun hands on to its ranks. A second one ends it at once.
# Use: node/examples/mpirun.sh -n 4 node dist/train.js …
set -m # mpirun has a process group of its own, which the terminal's Ctrl-C does not reach
mpirun "$@" &
job=$!
asked=0
ask() {
  if [ "$asked" = 0 ]; then asked=1; kill -USR2 "$job"; else kill -TERM "$job"; fi
}
trap ask INT TERM HUP
while kill -0 "$job" 2>/dev/null; do
  wait "$job"
  code=$?
done
exit "$code"
