#!/usr/bin/env bash
# Verify the audio and write the manifests where training looks for them, so that no
# GPU waits for it.
set -euo pipefail
source scripts/slurm/settings.sh

"$LACT_BIN/lact-asr" prepare librispeech "$LACT_CORPUS" "$LACT_RUN/manifests" \
    --splits "$LACT_SPLITS" --workers "$LACT_CPUS"
