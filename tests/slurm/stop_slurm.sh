#!/usr/bin/env bash
# End the Slurm that start_slurm.sh FOLDER started, with its jobs, by the process ids it left there.
set -euo pipefail

readonly wait_s=20
if [ $# -ne 1 ]; then
  echo "usage: $0 FOLDER" >&2
  exit 2
fi
folder=$(cd "$1" && pwd)
export SLURM_CONF=$folder/slurm.conf

jobs_left() {
  [ -n "$(timeout 5 squeue --noheader 2>/dev/null)" ]
}

running() { # whether the process of a pid file is there and still that program
  [ -f "$folder/$1.pid" ] && [[ "$(ps -o comm= -p "$(cat "$folder/$1.pid")")" == "$1"* ]]
}

end() {
  local last=$((SECONDS + wait_s)) process
  running "$1" || return 0
  process=$(cat "$folder/$1.pid")
  kill "$process"
  while kill -0 "$process" 2>/dev/null && [ $SECONDS -lt $last ]; do sleep 0.2; done
  ! kill -0 "$process" 2>/dev/null || kill -KILL "$process"
}

# Jobs first: without slurmd nobody would end them.
if running slurmctld && running slurmd && jobs_left; then
  timeout 10 scancel --user="$(id -un)" || true
  last=$((SECONDS + wait_s))
  while jobs_left && [ $SECONDS -lt $last ]; do sleep 0.5; done
fi
for daemon in slurmd slurmctld munged; do end "$daemon"; done
