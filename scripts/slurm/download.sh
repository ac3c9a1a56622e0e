#!/usr/bin/env bash
# Fetch the corpus; needs a node that reaches the internet. Continues where it stopped.
set -euo pipefail
source scripts/slurm/settings.sh

"$LACT_BIN/lact-asr" download librispeech "$LACT_DATA" --splits "$LACT_SPLITS"
