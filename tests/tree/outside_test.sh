#!/usr/bin/env bash
# outside_test.sh PROGRAM: a program that registers a model, an optimiser, a data set and a transform of its own
# (tests/tree/outside) has every subcommand for them.
set -euo pipefail
program=$1 compare=$(realpath "$(dirname "$0")/../onnx/compare.py")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "FAILED: $*" >&2 && exit 1; }
expect_text() { grep -qF -- "$2" "$1" || { echo "expected '$2' in $1:" >&2 && cat "$1" >&2 && exit 1; }; }
flags=(--model tiny:channels=6 --dataset stripes:images=256 --transform brighten:most=20 --optimizer lion:beta1=0.95
  --lr 0.01 --weight-decay 0.1 --batch-size 16 --epochs 8 --augment none --threads 1)

# Killed after its first checkpoint and resumed, a run ends with the bytes of one that was not interrupted.
"$program" train "${flags[@]}" --out whole
"$program" train "${flags[@]}" --out killed --checkpoint-minutes 0 >/dev/null &
until [[ -f killed/checkpoint.safetensors ]] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done
kill -9 $! || fail "the run ended before its first checkpoint was seen"
wait $! 2>/dev/null || true
[[ ! -f killed/weights.safetensors ]] || echo "the first epoch had ended before the kill"
"$program" train --resume --out killed >resumed.txt
expect_text resumed.txt "resumed at epoch"
cmp whole/weights.safetensors killed/weights.safetensors
cmp whole/config.toml <(sed 's/^out = "killed"/out = "whole"/; s/^checkpoint-minutes = .*/checkpoint-minutes = 10/' killed/config.toml)
for text in 'model = "tiny:channels=6"' 'optimizer = "lion:beta1=0.95"' 'dataset = "stripes:images=256"' \
  'transform = "brighten:most=20"'; do
  expect_text whole/config.toml "$text"
done

"$program" eval --weights whole/weights.safetensors --dataset stripes | tee eval.txt
grep -qE 'accuracy (1\.0000|0\.9)' eval.txt || fail "the model has not learnt its two classes"
{ printf 'P6 8 8 255\n' && for _ in 1 2 3 4; do printf '%24s' '' | tr ' ' '\0' && printf '%24s' '' | tr ' ' '\310'; done; } >lying.ppm
"$program" predict --weights whole/weights.safetensors lying.ppm | tee predict.txt
expect_text predict.txt "lying.ppm:  lying"
"$program" export --weights whole/weights.safetensors --out tiny.onnx | tee export.txt
expect_text export.txt "input (N,1,8,8)"
if [[ -x /usr/bin/python3 ]]; then
  /usr/bin/python3 "$compare" "$program" --predict whole/weights.safetensors lying.ppm || (($? == 77)) || fail "other programs differ"
fi
"$program" summary --help >/dev/null
"$program" summary tiny:channels=6 --input 8x8x1 >summary.txt
expect_text summary.txt conv
"$program" bench --model tiny:channels=6 --optimizer lion --input 8x8x1 --batch-size 8 --steps 1 >bench.txt
expect_text bench.txt images/s

cat >recipe.toml <<'RECIPE'
title = "channels"
[baseline]
model = "tiny:channels=4"
dataset = "stripes"
optimizer = "lion"
lr = 0.01
batch-size = 32
epochs = 1
augment = "none"
[cell.narrow]
[cell.wide]
model = "tiny:channels=8"
RECIPE
"$program" ablate recipe.toml --out ablation --seeds 2 --threads 1 >ablate.txt
[[ $(wc -l <ablation/results.csv) == 5 ]] || fail "expected four runs: $(cat ablation/results.csv)"
expect_text ablation/results.csv "tiny:channels=8"
expect_text ablation/report.md wide

# What the program does not know is an error that names what it knows.
for wrong in "--model tiny:chanels=6" "--model tniy" "--optimizer lino" "--optimizer lion:beta3=1" "--dataset stripe" \
  "--transform brigthen" "--width-multiplier 0.5" "--momentum 0.9"; do
  # shellcheck disable=SC2086
  "$program" train "${flags[@]}" $wrong --out wrong 2>errors.txt >/dev/null && fail "accepted $wrong"
  cat errors.txt
done
