#!/bin/bash
# A sweep on a real Slurm cluster of one node: this machine. A person runs it, as root in a container or a virtual
# machine that may be spoilt (Debian; it installs slurm-wlm and munge and writes /etc/slurm); CI does not.
#
#   bash tests/slurm/one_node.sh [FOLDER [limit]]
#
# It starts the daemons without systemd, runs a sweep of two cells by `--launcher slurm`, takes one of them away while
# it trains (scontrol requeue, as a preemption does), kills the sweep itself and starts it again, and checks that both
# cells end on record, the requeued one resumed from its checkpoint. Then a cell of one process that takes longer
# than its time limit of 3 minutes (EPOCHS=100 by default; more on a fast machine), its sweep killed at once: the job
# must save before the limit, be queued again, and go on from there (`limit` as second argument runs this part alone).
# Exit code 0: all of it held.
set -euo pipefail

work=${1:-$(mktemp -d)}
part=${2:-all}
checkout=$(cd "$(dirname "$0")/../.." && pwd)
host=$(hostname -s)
cores=$(nproc --all)
memory=$(($(awk '/MemTotal/ {print $2}' /proc/meminfo) / 1024 - 500))
say() { echo "--- $*"; }

if ! command -v slurmctld munged >/dev/null; then
  say "installing slurm-wlm and munge"
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends slurm-wlm munge
fi

say "configuring"
grep -qw "$host" /etc/hosts || echo "127.0.0.1 $host" >>/etc/hosts
mkdir -p /etc/munge /run/munge /var/log/munge /var/lib/munge "$work/slurm/state" "$work/slurm/spool"
[ -s /etc/munge/munge.key ] || dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none
chown -R munge: /etc/munge /run/munge /var/log/munge /var/lib/munge
chmod 400 /etc/munge/munge.key
cat >/etc/slurm/slurm.conf <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=$work/slurm/state
SlurmdSpoolDir=$work/slurm/spool
SlurmctldPidFile=$work/slurm/slurmctld.pid
SlurmdPidFile=$work/slurm/slurmd.pid
SlurmctldLogFile=$work/slurm/slurmctld.log
SlurmdLogFile=$work/slurm/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
JobRequeue=1
KillWait=30
MinJobAge=60
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cores RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
: >/etc/slurm/cgroup.conf

started=()
driver=
finish() {
  [ -z "$driver" ] || kill -9 "$driver" 2>/dev/null || true
  scancel --user="$(id -un)" 2>/dev/null || true
  say "stopping the daemons"
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
}
trap finish EXIT

say "starting munged, slurmctld, slurmd"
pgrep -x munged >/dev/null || { setpriv --reuid=munge --regid=munge --clear-groups munged --foreground & started+=($!); }
sleep 1
munge -n | unmunge >/dev/null
slurmctld -D -c & started+=($!)
slurmd -D -c & started+=($!)
for _ in $(seq 30); do
  sinfo --noheader --format=%T 2>/dev/null | grep -q idle && break
  scontrol update nodename="$host" state=resume 2>/dev/null || true
  sleep 1
done
sinfo

cd "$work"
# A requeued job waits two minutes by default (its begin time); not here.
hurry() {
  for _ in $(seq "$2"); do
    squeue --noheader --job="$1" --format=%T | grep -q PENDING && { scontrol update jobid="$1" StartTime=now; return; }
    sleep 1
  done
  say "job $1 was not queued again"; squeue; exit 1
}

two_cells() {
  say "two cells, one job each"
  sweep=(python -m ssl_bench sweep --method simclr,msn --seeds 1 --preset smoke --set pretrain.epochs=20
    --set pretrain.checkpoint_every=2 --set evaluate.replicates=100 --set pretrain.accelerator=cpu
    --launcher slurm --launcher-set cpus=1 --launcher-set minutes=60 --cache "$work/cache" --out "$work/sweep")
  "${sweep[@]}" >"$work/first.txt" 2>"$work/first.log" &
  driver=$!
  for _ in $(seq 300); do
    ls "$work"/sweep/simclr-*/checkpoints/step-*.json >/dev/null 2>&1 && break
    kill -0 "$driver" || { cat "$work/first.log"; exit 1; }
    sleep 1
  done
  squeue
  job=$(squeue --noheader --format="%i %j" | awk '$2 ~ /^simclr/ {print $1}')

  say "taking job $job away while it trains, as a preemption does"
  scontrol requeue "$job"
  sleep 2
  squeue

  say "killing the sweep; its jobs go on"
  kill -9 "$driver"
  wait "$driver" || true
  squeue

  say "starting it again"
  hurry "$job" 60
  "${sweep[@]}" | tee "$work/second.txt"

  say "checking"
  [ "$(grep -c ' done ' "$work/second.txt")" -eq 2 ]
  python - "$work/sweep" <<'CHECK'
import json, sys
from pathlib import Path

records = {path.parent.name: json.loads(path.read_text()) for path in Path(sys.argv[1]).glob("*/record.json")}
assert len(records) == 2, records.keys()
resumed = {name: record["pretraining"]["resumed_at"] for name, record in records.items()}
print("resumed at step:", resumed)
assert all((step > 0) == name.startswith("simclr") for name, step in resumed.items())
CHECK
}

over_the_limit() {
  say "a cell that trains for longer than its time limit"
  sweep=(python -m ssl_bench sweep --method simclr --seeds 1 --preset smoke --set pretrain.epochs=${EPOCHS:-100}
    --set pretrain.checkpoint_every=100 --set evaluate.replicates=100 --set pretrain.accelerator=cpu
    --launcher slurm --launcher-set cpus=1 --launcher-set minutes=3 --launcher-set save_seconds=30 --cache "$work/cache" --out "$work/limit")
  "${sweep[@]}" --dry-run
  "${sweep[@]}" >"$work/third.txt" 2>"$work/third.log" &
  driver=$!
  for _ in $(seq 60); do
    job=$(squeue --noheader --format=%i)
    [ -z "$job" ] || break
    kill -0 "$driver" || { cat "$work/third.log"; exit 1; }
    sleep 1
  done
  say "killing the sweep; job $job reaches its limit alone"
  kill -9 "$driver"
  wait "$driver" || true
  hurry "$job" 300
  say "job $job is queued again; starting the sweep again"
  (for _ in 1 2 3 4 5; do sleep 20; hurry "$job" 300; done >/dev/null 2>&1) & started+=($!)
  "${sweep[@]}" | tee "$work/fourth.txt"
  grep -h "saved at step\|sslbench: error" "$work"/limit/.sweep/logs/*
  [ "$(grep -c ' done ' "$work/fourth.txt")" -eq 1 ]
  python - "$work/limit" <<'CHECK'
import json, sys
from pathlib import Path

(record,) = [json.loads(path.read_text()) for path in Path(sys.argv[1]).glob("*/record.json")]
(log,) = Path(sys.argv[1]).glob(".sweep/logs/*.log")
step, told = record["pretraining"]["resumed_at"], log.read_text()
print("resumed at step:", step)
trained = f"pretraining simclr for {step} steps" in told  # a fast machine meets its limit in the evaluation
assert f"saved at step {step}" in told or (trained and "SIGTERM: stopped" in told)
CHECK
}

[ "$part" = limit ] || two_cells
over_the_limit
say "all of it held; the files are in $work ($checkout)"
