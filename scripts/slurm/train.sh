#!/usr/bin/env bash
# Train on the nodes of the job; the arguments are options of train.py. Started again,
# the training resumes.
set -euo pipefail
source scripts/slurm/settings.sh

# Near the time limit: let the training save, then go back into the queue. A job that
# is preempted is put there by Slurm itself, which sends SIGTERM as well.
requeue() {
    scancel --signal=TERM "$SLURM_JOB_ID"
    if wait "$training"; then exit 0; fi
    scontrol requeue "$SLURM_JOB_ID"
}

read -r first_node < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
rendezvous=(
    --rdzv_backend c10d
    --rdzv_endpoint "$first_node:$((20000 + SLURM_JOB_ID % 10000))"
    --rdzv_id "$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}"
)
if ((LACT_GPUS == 0)); then
    set -- --device cpu --distributed_backend gloo "$@"
fi
export OMP_NUM_THREADS=$((LACT_CPUS >= LACT_PROCESSES ? LACT_CPUS / LACT_PROCESSES : 1))

recipe="recipes/$LACT_RECIPE"
srun --nodes="$SLURM_NNODES" --ntasks-per-node=1 --cpus-per-task="$LACT_CPUS" \
    "$LACT_BIN/torchrun" --nnodes "$SLURM_NNODES" --nproc_per_node "$LACT_PROCESSES" \
    "${rendezvous[@]}" "$recipe/train.py" "$recipe/hparams/$LACT_HPARAMS.yaml" \
    --noprogressbar --data_folder "$LACT_CORPUS" --output_folder "$LACT_RUN" \
    --train_splits "[$LACT_TRAIN_SPLITS]" --dev_splits "[$LACT_DEV_SPLITS]" \
    --test_splits "[$LACT_TEST_SPLITS]" "$@" &
training=$!
trap requeue USR1
wait "$training"
