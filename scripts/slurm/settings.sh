# shellcheck shell=bash disable=SC2034
# All settings of the jobs. Export a variable to change it for one submission, or
# change its default here. Relative paths are taken from the checkout.

# programs: those of the environment that `make install` makes
: "${LACT_BIN:=.venv/bin}"

# corpus in LibriSpeech's layout, and its splits, separated by commas
: "${LACT_DATA:=data}"
: "${LACT_CORPUS:=$LACT_DATA/LibriSpeech}"
: "${LACT_TRAIN_SPLITS:=train-clean-100}"
: "${LACT_DEV_SPLITS:=dev-clean}"
: "${LACT_TEST_SPLITS:=test-clean,test-other}"
LACT_SPLITS="$LACT_TRAIN_SPLITS,$LACT_DEV_SPLITS,$LACT_TEST_SPLITS"

# what to train, and the folder of the run
: "${LACT_RECIPE:=LibriSpeech/ASR/CTC}"
: "${LACT_HPARAMS:=lact_base}"
: "${LACT_RUN:=runs/$LACT_HPARAMS}"

# of each node: GPUs (0 trains on the CPU), processes, cores, memory
: "${LACT_NODES:=1}"
: "${LACT_GPUS:=1}"
: "${LACT_PROCESSES:=$((LACT_GPUS > 0 ? LACT_GPUS : 1))}"
: "${LACT_CPUS:=8}"
: "${LACT_MEMORY:=64G}"

# longest time of a job; how many seconds before its end training saves and goes back
# into the queue
: "${LACT_TIME:=24:00:00}"
: "${LACT_WARNING:=180}"

# empty: the cluster's own defaults
: "${LACT_PARTITION:=}"
: "${LACT_ACCOUNT:=}"

# output of the jobs
: "${LACT_LOGS:=runs/slurm}"
