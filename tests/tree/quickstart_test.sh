#!/usr/bin/env bash
# quickstart_test.sh QUICKSTART STRIATE: how quickstart comes by its data, and its way from data to results, without
# a network, packages or a build. The server is a file:// URL; each test has a home of its own.
set -euo pipefail
quickstart=$1 striate=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Twenty black images in every file, all of class 0: enough for training to run.
mkdir -p "$work/server/cifar-10-batches-bin"
for name in data_batch_{1..5} test_batch; do
  head -c $((20 * 3073)) /dev/zero >"$work/server/cifar-10-batches-bin/$name.bin"
done
archive=$work/server/cifar.tar.gz
tar -czf "$archive" -C "$work/server" cifar-10-batches-bin
size=$(stat -c %s "$archive")

# Stands in for the striate program where a test is about quickstart alone: notes how it was called.
cat >"$work/stub" <<'STUB'
#!/usr/bin/env bash
echo "$*" >>"$HOME/calls"
while (($#)); do [[ $1 != --out ]] || mkdir -p "$2/${STUB_INSIDE:-}"; shift; done
STUB
chmod +x "$work/stub"

# Reads quickstart's functions into a test's subshell and takes it off the machine: its own home, nothing installed.
begin() {
  export HOME=$work/$1 STRIATE_CIFAR_URL=file://$archive
  unset STRIATE_DATA
  mkdir -p "$HOME"
  # shellcheck source=../../quickstart
  source "$quickstart"
  cifar_md5=$(md5sum <"$archive" | cut -d' ' -f1)
  program=$work/stub data=''
  install_packages() { :; }
  build() { :; }
}
expect() { "$@" || { echo "expected: $*" >&2 && exit 1; }; }
expect_text() { grep -qF -- "$2" "$1" || { echo "expected '$2' in:" >&2 && cat "$1" >&2 && exit 1; }; }
expect_only() { expect test "$(ls -A "$1")" = "$2"; }

a_download_is_checked_and_unpacked() {
  find_data
  expect test "$data" = "$HOME/.cache/striate/cifar-10-batches-bin"
  expect diff -r "$work/server/cifar-10-batches-bin" "$data"
  expect_only "$HOME/.cache/striate" cifar-10-batches-bin
}

# The server's first half is spoilt: only a download that goes on from the part that came before is right.
an_interrupted_download_goes_on() {
  mkdir -p "$cache"
  head -c $((size / 2)) "$archive" >"$cache/cifar-10-binary.tar.gz.part"
  { head -c $((size / 2)) /dev/zero && tail -c +$((size / 2 + 1)) "$archive"; } >"$HOME/spoilt"
  cifar_url=file://$HOME/spoilt
  find_data
  expect diff -r "$work/server/cifar-10-batches-bin" "$data"
}

a_broken_connection_is_resumed() {
  curl() {
    [[ ! -e $HOME/broken ]] || { command curl "$@" && return; }
    touch "$HOME/broken"
    head -c 1000 "$archive" >"$cache/cifar-10-binary.tar.gz.part"
    return 18
  }
  find_data >"$HOME/output"
  expect_text "$HOME/output" resuming
  expect diff -r "$work/server/cifar-10-batches-bin" "$data"
}

a_spoilt_part_is_fetched_anew() {
  mkdir -p "$cache"
  head -c $((size / 2)) /dev/zero >"$cache/cifar-10-binary.tar.gz.part"
  find_data >"$HOME/output"
  expect_text "$HOME/output" "fetching it anew"
  expect diff -r "$work/server/cifar-10-batches-bin" "$data"
}

a_wrong_checksum_is_reported_and_removed() {
  local right=$cifar_md5
  cifar_md5=c32a1d4ab5d03f1284b67883e8d87530
  (find_data) 2>"$HOME/errors" && exit 1
  expect_text "$HOME/errors" "has MD5 $right, expected $cifar_md5"
  expect_only "$HOME/.cache/striate" ''
}

without_a_network_the_set_is_generated() {
  cifar_url=file://$work/nowhere
  find_data 2>"$HOME/errors"
  expect_text "$HOME/errors" "this is NOT CIFAR-10"
  expect test "$data" = "$HOME/.cache/striate/generated"
  expect test -d "$data"
  expect_text "$HOME/calls" "generate --out"
}

a_data_folder_that_is_missing_is_an_error() {
  (main --data "$HOME/nowhere") 2>"$HOME/errors" && exit 1
  expect_text "$HOME/errors" "no such data folder: $HOME/nowhere"
  (STRIATE_DATA=$HOME/gone main) 2>"$HOME/errors" && exit 1
  expect_text "$HOME/errors" "no such data folder: $HOME/gone"
  expect test ! -e "$HOME/calls"
}

an_unknown_argument_is_an_error() {
  (main ful) 2>"$HOME/errors" && exit 1
  expect_text "$HOME/errors" "unknown argument 'ful'"
}

# A run that stopped is taken up by the same command only; a finished one is left alone.
runs_are_resumed_or_numbered() {
  local runs=$HOME/.cache/striate/runs
  printf -v metrics '%s\n' epoch,train_loss,train_accuracy,test_loss,test_accuracy,learning_rate,seconds,images_per_second \
    1,2.5,0.125,2.25,0.25,0.1,30,100
  train_stub() { (main --data "$work/server/cifar-10-batches-bin" "$@") >"$HOME/output" 2>&1; }
  printf '#!/bin/bash\nwhile [[ $1 != --out ]]; do shift; done\ntouch "$2/checkpoint.safetensors"\nexit 1\n' >"$HOME/stops"
  chmod +x "$HOME/stops"
  program=$HOME/stops
  train_stub && exit 1
  expect_text "$HOME/output" "goes on from its last checkpoint"
  train_stub && exit 1
  expect_text "$HOME/output" "Going on with the run in $runs/quickstart-1"
  train_stub -- --seed 7 && exit 1
  expect test -d "$runs/quickstart-2"
  program=$work/stub
  printf '%s' "$metrics" >"$runs/quickstart-2/metrics.csv"
  train_stub -- --seed 7
  expect_text "$HOME/calls" "--seed 7 --out $runs/quickstart-2 --resume"
  expect_text "$runs/quickstart-2/results.txt" "25.00%"
  train_stub --out "$runs/quickstart-2" && exit 1
  expect_text "$HOME/output" "give --out another folder"
}

# Its pixels are those of the first record; awk writes bytes of 0 too.
the_picture_is_the_first_of_the_test_set() {
  data=$HOME/data out=$HOME
  mkdir "$data"
  { printf '\3' && for value in 0 200 255; do head -c 1024 /dev/zero | LC_ALL=C tr '\0' "\\$(printf %o "$value")"; done; } \
    >"$data/test_batch.bin"
  expect test "$(test_picture)" = "$HOME/picture.ppm"
  expect test "$(od -An -v -tu1 -j13 "$HOME/picture.ppm" | xargs -n 3 | sort -u)" = "0 200 255"
  expect test "$(stat -c %s "$HOME/picture.ppm")" = 3085
  mkdir -p "$data/test/cat" "$data/val/cat" && touch "$data/test/cat/1.txt" "$data/val/cat/1.gif"
  expect test "$(test_picture)" = ''
  touch "$data/test/cat/2.PNG" "$data/test/cat/3.png" "$data/test/cat/._1.jpg"
  expect test "$(test_picture)" = "$data/test/cat/2.PNG"
  rm -r "$data/test"
  expect test "$(test_picture)" = "$data/val/cat/1.gif"
}

from_data_to_results() {
  # shellcheck disable=SC2034
  program=$striate
  main --out "$HOME/run" -- --width-multiplier 0.0625 --epochs 2 --batch-size 20 --threads 1 2>&1 | tee "$HOME/output"
  expect_text "$HOME/output" "test accuracy"
  expect_text "$HOME/output" "eval --weights $HOME/run/weights.safetensors --data $HOME/.cache/striate/cifar-10-batches-bin"
  expect test "$(grep -c '%' "$HOME/run/results.txt")" = 2
  "$striate" eval --weights "$HOME/run/weights.safetensors" --data "$work/server/cifar-10-batches-bin"
  # What is printed last works as printed.
  grep -E '^  [^ ]+ predict ' "$HOME/output" >"$HOME/predict"
  bash -e "$HOME/predict" >"$HOME/predicted"
  expect_text "$HOME/predicted" "picture.ppm:"
}

failures=0
for test in a_download_is_checked_and_unpacked an_interrupted_download_goes_on a_broken_connection_is_resumed \
  a_spoilt_part_is_fetched_anew a_wrong_checksum_is_reported_and_removed without_a_network_the_set_is_generated \
  a_data_folder_that_is_missing_is_an_error an_unknown_argument_is_an_error runs_are_resumed_or_numbered \
  the_picture_is_the_first_of_the_test_set from_data_to_results; do
  # Not behind || or if: those would switch off set -e in the test.
  set +e
  (set -e && begin "$test" && "$test")
  status=$?
  set -e
  if ((status)); then
    echo "FAILED $test" && ((failures += 1))
  else
    echo "passed $test"
  fi
done
exit "$failures"
