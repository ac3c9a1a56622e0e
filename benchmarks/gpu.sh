#!/usr/bin/env bash
# usage: benchmarks/gpu.sh OUT [PIECE...]
#
# Measure on one GPU, in pieces of at most nine minutes; all of them if none is named:
#   tests      what pytest marks with gpu
#   ops        selective scan and fast weights: forward, and with backward
#   encoders   time and memory of all encoders by the length of the speech, fp32 and bf16:
#              (tools/publish_result.py OUT/encoders publishes them)
#   training   three encoders of 10 M parameters on DATA, with an n-gram; takes several
#              calls, each continues where the last one stopped
#   inference  real-time factor and memory of what "training" trained
#   adaptation test-time training of its first system beside SUTA, on DATA's test
#   hybrid     training steps of the hybrid at full size, fp32 and bf16
#   streaming  training steps of recipes for streams, at full size and small
#   chunking   training steps of encoders with dynamic chunking, and of their parents
#
# A piece writes OUT/<piece>/result.json last, and is passed over once that is there.
# Nothing is downloaded. From the environment:
#   DATA    corpus in LibriSpeech's layout with train, dev and test (for training)
#   DEVICE  cuda, or cpu to try it out
#   STEPS   to try it out: how often to time a small step; training is on dev
#   EPOCHS, SEEDS, WIDTH, LAYERS   of the trainings
#   LIMIT   minutes that one call may train
#   PYTHON  interpreter with the package installed
set -euo pipefail

if [[ $# == 0 || $1 == -h || $1 == --help ]]; then
    sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
    exit 0
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
data=${DATA:+$(cd "$DATA" && pwd)}
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
device=${DEVICE:-cuda}
hparams=recipes/LibriSpeech/ASR/CTC/hparams
systems=(lact_matched conformer_large conmamba_large)
seeds=${SEEDS:-1}

lact_asr() {
    "$python" -c "from lact_modules.cli.main import main; main()" "$@"
}

# Join what a piece wrote into its result.
finish() {
    "$python" - "$1" <<'PYTHON'
import json, sys
from pathlib import Path

from lact_modules.whole_file import write_whole

folder = Path(sys.argv[1])
parts = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
write_whole(folder / "result.json", json.dumps(parts, indent=2) + "\n")
PYTHON
}

# Run a benchmark unless its numbers are there: measure FILE SCRIPT [OPTION...]
measure() {
    local file=$1
    shift
    [[ -s $file ]] && return
    "$python" "benchmarks/$1" "${@:2}" --device "$device" > "$file.part"
    mv "$file.part" "$file"
}

tests() {
    local chosen=(-m gpu tests)
    [[ $device == cpu ]] && chosen=(tests/unit/ops)
    "$python" -m pytest -q "${chosen[@]}" --junitxml="$1/junit.xml"
    echo '{"passed": true}' > "$1/pytest.json"
}

ops() {
    local frames lengths=(250 1500 6000) repeats=(--repeats "${STEPS:-20}")
    [[ -n ${STEPS:-} ]] && lengths=(50)
    for frames in "${lengths[@]}"; do
        measure "$1/scan_$frames.json" selective_scan.py \
            --frames "$frames" "${repeats[@]}"
        measure "$1/fast_weight_$frames.json" fast_weight.py \
            --frames "$frames" "${repeats[@]}"
        measure "$1/fast_weight_${frames}_bf16.json" fast_weight.py \
            --frames "$frames" "${repeats[@]}" --bf16
    done
}

# Time training steps of some recipes: time_steps FOLDER RECIPE...
time_steps() {
    local recipe precision batch=()
    [[ -n ${STEPS:-} ]] && batch=(--batch-size 1 --seconds 2 --threads 1)
    for recipe in "${@:2}"; do
        for precision in no-bf16 bf16; do
            measure "$1/${recipe##*/}_$precision.json" training_step.py \
                "$hparams/$recipe.yaml" --steps "${STEPS:-20}" "--$precision" "${batch[@]}"
        done
    done
}

encoders() {
    local precision options=(--budget 5 --limit 20 --max-memory 64)
    [[ -n ${STEPS:-} ]] && options=(--points 1,2x2 --rounds 1 --d-model 32 --num-layers 1)
    for precision in fp32 bf16; do
        [[ -s $1/$precision.json ]] && continue
        "$python" benchmarks/encoders.py "${options[@]}" --device "$device" \
            "--${precision/fp32/no-bf16}" --output "$1/$precision"
        cp "$1/$precision/result.json" "$1/$precision.json"
    done
}

hybrid() {
    time_steps "$1" hybrid_wav2vec2
}

streaming() {
    time_steps "$1" lact_streaming lact_streaming_demo conformer_streaming_demo
}

chunking() {
    local small=../../transformer/hparams
    time_steps "$1" "$small"/{lact,conmamba}_small{,_hnet}
}

training() {
    local split=train
    : "${data:?set DATA to the corpus to train on}"
    [[ -n ${STEPS:-} ]] && split=dev
    if [[ ! -s $1/lm.arpa ]]; then
        lact_asr prepare librispeech "$data" "$1/manifests" --splits train
        lact_asr ngram "$1/manifests/train.jsonl" --output "$1/lm.arpa"
    fi
    "$python" benchmarks/compare_systems.py --data_folder "$data" --output "$1" \
        --dataset "$(basename "$(dirname "$data")")" --test-splits dev,test \
        --systems "$(IFS=,; echo "${systems[*]}")" --seeds "$seeds" \
        --d-model "${WIDTH:-256}" --epochs "${EPOCHS:-60}" \
        --limit-minutes "${LIMIT:-8}" ${STEPS:+--size-tolerance 1} -- \
        "--num_layers=${LAYERS:-6}" "--train_splits=[$split]" "--dev_splits=[dev]" \
        --in_memory=true --num_workers=0 --max_batch_length=240 --max_batch_size=64 \
        --grad_accumulation_factor=1 --avg_checkpoints=5 "--device=$device" \
        "--decoding={beam_size: 50, lm: $1/lm.arpa}" \
        "--schedule=!name:lact_modules.training.schedules.warmup_cosine {warmup_steps: 500}"
}

inference() {
    local trained=("${systems[@]/#/"$out/training/"}") durations=1,5,15,60,300,900,3600
    [[ -n ${STEPS:-} ]] && durations=1,2
    measure "$1/inference.json" inference.py \
        "${trained[@]/%/_${seeds%%,*}}" --durations "$durations" --limit 60
}

adaptation() {
    : "${data:?set DATA to the corpus to test on}"
    "$python" benchmarks/test_time_training.py "$out/training/${systems[0]}_${seeds%%,*}" \
        --data "$data/test" --methods benchmarks/methods/published.yaml \
        --conditions gaussian:0.01,gaussian:0.02,speed:0.9,speed:1.1 \
        --limit "${STEPS:-40}" --device "$device" --output "$1/methods"
    cp "$1/methods/result.json" "$1/methods.json"
}

(($#)) || set -- tests ops encoders training inference adaptation hybrid streaming chunking
for piece in "$@"; do
    case $piece in
        tests | ops | encoders | training | inference) ;;
        adaptation | hybrid | streaming | chunking) ;;
        *) echo "gpu.sh: no piece '$piece'; see --help" >&2; exit 2 ;;
    esac
    [[ -e $out/$piece/result.json ]] && continue
    echo "== $piece"
    mkdir -p "$out/$piece"
    "$piece" "$out/$piece"
    finish "$out/$piece"
done
