#!/usr/bin/env bash
# Submit jobs, each of which waits for the one before. Settings: settings.sh.
#
#   scripts/slurm/submit.sh [download] [prepare] [train] [evaluate] [-- OPTION ...]
#
# Without names, all four. What follows -- are options of train.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source scripts/slurm/settings.sh

jobs=()
while (($# > 0)) && [[ $1 != -- ]]; do
    if [[ ! $1 =~ ^(download|prepare|train|evaluate)$ ]]; then
        echo "submit.sh: no job $1; choose from download, prepare, train, evaluate" >&2
        exit 2
    fi
    jobs+=("$1")
    shift
done
if (($# > 0)); then shift; fi
if ((${#jobs[@]} == 0)); then jobs=(download prepare train evaluate); fi

mkdir -p "$LACT_LOGS"
common=(
    --parsable --kill-on-invalid-dep=yes --time="$LACT_TIME" --mem="$LACT_MEMORY"
    --cpus-per-task="$LACT_CPUS" --output="$LACT_LOGS/%x-%j.log" --open-mode=append
)
if [[ -n $LACT_PARTITION ]]; then common+=(--partition="$LACT_PARTITION"); fi
if [[ -n $LACT_ACCOUNT ]]; then common+=(--account="$LACT_ACCOUNT"); fi

before=()
for job in "${jobs[@]}"; do
    options=(--job-name="lact-$job" "${before[@]}")
    arguments=()
    case $job in
    train)
        options+=(--nodes="$LACT_NODES" --ntasks-per-node=1 --requeue)
        options+=(--signal="B:USR1@$LACT_WARNING")
        if ((LACT_GPUS > 0)); then options+=(--gpus-per-node="$LACT_GPUS"); fi
        arguments=("$@")
        ;;
    evaluate)
        if ((LACT_GPUS > 0)); then options+=(--gpus-per-node=1); fi
        ;;
    esac
    number=$(sbatch "${common[@]}" "${options[@]}" "scripts/slurm/$job.sh" "${arguments[@]}")
    echo "$job: $number"
    before=(--dependency="afterok:$number")
done
