#!/usr/bin/env bash
# Trains a pose machine for so many minutes on a borrowed card: photographs go there in less than 60 MB, weights come
# back in less than 16 MB. Run again with the weights in place (or a killed run's last snapshot), it goes on from them
# with half the rate.
#
#   tools/train_on_card.sh pack lspet/ lsp/ build/packed     # where the photographs are: LSPET without 2001-2500, LSP 1-1000
#   tools/train_on_card.sh train build/packed 8 build/lsp    # on the card's machine, a checkout with CuPy: 8 minutes
#
# DEVICE=cpu tries it without a card; PYTHON names the interpreter that has the packages; NET, ENGINE and BATCH say what
# is trained, and with which arithmetic.
set -euo pipefail
cd "$(dirname "$0")/.."
make --silent build/import/cpm_kernels
export PYTHONPATH="$PWD:$PWD/build/import:${PYTHONPATH:-}"
PYTHON=${PYTHON:-python3}
DEVICE=${DEVICE:-cuda} ENGINE=${ENGINE:-fast:bf16} BATCH=${BATCH:-64}
NET=${NET:-small --stages 5 --channels 160,128 --target-dist 0.65 --scale-range 0.75,1.25 --sigma 7 --sigma-center 11}

pack() {
    local lspet=$1 lsp=$2 out=$3 json
    json=$(mktemp -d)
    # shellcheck disable=SC2064  # its name now
    trap "rm -rf '$json'" EXIT
    mkdir -p "$out"
    local small=(--storage file --person-height 130 --quality 45)
    "$PYTHON" tools/make_json.py lspet "$lspet" --out "$json/lspet.json" --validation 2001-2500
    "$PYTHON" tools/make_json.py lsp "$lsp" --out "$json/lsp.json"
    "$PYTHON" tools/make_lmdb.py "$json/lspet.json" "$json/lsp.json" --images "$lspet/images" --images "$lsp/images" \
        "${small[@]}" --out "$out/train"
    "$PYTHON" tools/make_lmdb.py "$json/lspet.json" --images "$lspet/images" "${small[@]}" --validation only \
        --order sequential --out "$out/held_out"
}

# How many iterations fit into $1 seconds: the log's last word on speed, after a minute or 60 iterations.
affordable() {
    local trial=$2/trial
    prototxts "$trial" 60
    timeout -s INT 60 "$PYTHON" tools/train.py --solver "$trial/solver.prototxt" "${train[@]}" >&2 || true
    sed -n 's/.*Speed: \([0-9.]*\) iterations.*/\1/p' "$trial"/cpm.log | tail -1 |
        awk -v seconds="$1" '{ printf "%d\n", $1 * seconds }'
    rm -rf "$trial"
}

prototxts() {
    # shellcheck disable=SC2086  # NET is several words
    "$PYTHON" tools/make_prototxt.py $NET --lmdb "$out/raw" --batch-size "$BATCH" --base-lr "$rate" \
        --max-iter "$2" --snapshot "$(($2 / 4 + 1))" --random-seed 1 --out "$1" >&2
}

# The newest snapshot becomes $1, what a sitting begins with, also after one that was killed.
keep() {
    local newest
    newest=$(find "${1%/*}" -maxdepth 1 -name 'cpm_iter_*.caffemodel' -printf '%T@ %p\n' | sort -n | tail -1 | cut -d' ' -f2-)
    [ -z "$newest" ] || mv "$newest" "$1"
    rm -rf "${1%/*}"/cpm_iter_* "${1%/*}/raw"
}

train() {
    local packed=$1 minutes=$2 out=$3 rate=2e-3 began
    began=$(date +%s)
    train=(--device "$DEVICE" --engine "$ENGINE" --overwrite)
    mkdir -p "$out"
    local seconds=$((minutes * 60))
    local learning=$((seconds * 8 / 10 - 60)) before=$out/weights.caffemodel
    [ "$learning" -gt 0 ] || { echo "$minutes minutes are too few: one goes to measuring the speed" >&2; exit 2; }
    keep "$before"
    [ ! -e "$before" ] || { train+=(--weights "$before") && rate=1e-3; }
    "$PYTHON" tools/make_lmdb.py "$packed/train" --out "$out/raw"  # decoded once, by all cores
    local iterations
    iterations=$(affordable "$learning" "$out")
    [ "${iterations:-0}" -gt 0 ] || { echo "$minutes minutes are too few for a training" >&2; exit 2; }
    prototxts "$out" "$iterations"
    timeout -s INT $((seconds - ($(date +%s) - began) - 20)) "$PYTHON" tools/train.py --solver "$out/solver.prototxt" \
        "${train[@]}" --held-out "$packed/held_out" --score-people 200 || true
    keep "$before"
}

case ${1:-} in
    pack) shift && pack "$@" ;;
    train) shift && train "$@" ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0" && exit 2 ;;
esac
