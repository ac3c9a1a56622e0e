#!/usr/bin/env bash
# Fetch the corpus; wants a node that reaches the internet. Goes on where it was stopped.
set -euo pipefail
source scripts/slurm/settings.sh

"$LACT_BIN/lact-asr" download librispeech "$LACT_DATA" --splits "$LACT_SPLITS"
