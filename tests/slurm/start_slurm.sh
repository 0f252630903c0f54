#!/usr/bin/env bash
# A Slurm of one node, this one: start_slurm.sh FOLDER, and stop_slurm.sh FOLDER to end it.
#
# Real daemons (munged, slurmctld, slurmd) with a configuration, a key and a state of their own in
# FOLDER, on loopback; nothing under /etc is read or written. Needs neither systemd nor control
# groups, which containers often lack. Installs Debian's packages where they are not there, which
# needs root; the daemons then run as whoever starts them.
#
# Commands of Slurm find it by the environment: export SLURM_CONF=FOLDER/slurm.conf
#
# Exit codes: 0 its node is idle, 1 it did not start, 2 wrong arguments,
# 77 it cannot be had here: no packages, and no root or no apt to install them.
set -euo pipefail

readonly cannot=77 wait_s=60 longest_socket=107
export PATH=$PATH:/usr/sbin:/sbin
here=$(dirname "$0")

if [ $# -ne 1 ]; then
  echo "usage: $0 FOLDER (for configuration, key, state and logs; made if it is not there)" >&2
  exit 2
fi

installed() {
  local program
  for program in munged mungekey slurmctld slurmd sbatch sinfo; do
    command -v "$program" >/dev/null || return 1
  done
}

install() {
  installed && return
  if ! command -v apt-get >/dev/null; then
    echo "Slurm is not installed, and there is no apt-get to install it with" >&2
    exit "$cannot"
  fi
  if [ "$(id -u)" -ne 0 ]; then
    echo "Slurm is not installed: as root, apt-get install slurm-wlm munge" >&2
    exit "$cannot"
  fi
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update && apt-get install -y --no-install-recommends slurm-wlm munge; } \
    >"$folder/install.log" 2>&1 || ! installed; then
    tail -n 5 "$folder/install.log" >&2
    echo "apt-get could not install slurm-wlm and munge" >&2
    exit "$cannot"
  fi
}

write_configuration() {
  local user node
  user=$(id -un) node=$(hostname -s)
  # `slurmd -C` tells the node's name, processors and memory as they stand in slurm.conf; what it
  # tells of sockets differs between virtual machines and is not needed.
  local cpus memory_mb
  cpus=$(slurmd -C | grep -o '\bCPUs=[0-9]*')
  memory_mb=$(slurmd -C | grep -o 'RealMemory=[0-9]*')
  cat >"$folder/slurm.conf" <<CONF
ClusterName=mas2sim_test
SlurmctldHost=$node(127.0.0.1)
# On loopback only: without these two the daemons listen on every address.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$socket

StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log

# Processes of a job are found in /proc: control groups and systemd may not be there.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=1000
ReturnToService=2
KillWait=5
MinJobAge=300

NodeName=$node NodeAddr=127.0.0.1 $cpus $memory_mb State=UNKNOWN
PartitionName=test Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
}

start_munge() {
  mkdir -p "$folder/munge"
  [ -f "$folder/munge/key" ] || mungekey --create --keyfile="$folder/munge/key"
  # Forced: that others cannot reach a socket in a private folder is meant.
  munged --force --num-threads=2 --key-file="$folder/munge/key" --socket="$socket" \
    --pid-file="$folder/munged.pid" --seed-file="$folder/munge/seed" \
    --log-file="$folder/munge/log" 2>"$folder/munge/warnings"
}

give_up() {
  echo "Slurm did not start: $1" >&2
  tail -n 5 "$folder"/munge/log "$folder"/slurmctld.log "$folder"/slurmd.log >&2 || true
  "$here/stop_slurm.sh" "$folder"
  exit 1
}

wait_until_idle() {
  local last=$((SECONDS + wait_s)) state
  while [ $SECONDS -lt $last ]; do
    state=$(timeout 5 sinfo --noheader --format=%T 2>/dev/null || true)
    [ "$state" = idle ] && return
    sleep 0.5
  done
  give_up "after $wait_s s its node is '${state:-not known}'"
}

mkdir -p "$1"
folder=$(cd "$1" && pwd)
socket=$folder/munge/socket
if [ ${#socket} -gt $longest_socket ]; then
  echo "$socket: longer than $longest_socket characters, which no socket may be" >&2
  exit 2
fi
install
export SLURM_CONF=$folder/slurm.conf
if [ -f "$SLURM_CONF" ] && timeout 5 sinfo; then
  echo "it runs already: export SLURM_CONF=$SLURM_CONF"
  exit 0
fi
mkdir -p "$folder/state" "$folder/spool"
write_configuration
start_munge || give_up "munged ended"
slurmctld -f "$SLURM_CONF" || give_up "slurmctld ended"
slurmd -f "$SLURM_CONF" -N "$(hostname -s)" || give_up "slurmd ended"
wait_until_idle
sinfo
echo "export SLURM_CONF=$SLURM_CONF"
