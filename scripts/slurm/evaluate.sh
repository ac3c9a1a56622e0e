#!/usr/bin/env bash
# Score the trained model on every test split; the arguments are options of
# `lact-asr evaluate`, such as --beam-size 50 --lm lm.arpa.
set -euo pipefail
source scripts/slurm/settings.sh

for split in ${LACT_TEST_SPLITS//,/ }; do
    "$LACT_BIN/lact-asr" evaluate --model "$LACT_RUN" \
        --data "$LACT_CORPUS/$split" \
        --json "$LACT_RUN/evaluation_$split.json" "$@"
done
