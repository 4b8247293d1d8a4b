#!/bin/sh
# The default pack's tuned Whisper, fusion and the rest of the pack, from corpora to pack.json, as it ships. Pitch, spectral and text
# are made by CONTRIBUTING.md's lines before it.
# STREAMSER_DATA: the data; STREAMSER_CACHE: features and checkpoints, about 15 GB. About two hours of two cores.
set -e
cd "$(dirname "$0")/.."
cache=${STREAMSER_CACHE:-$HOME/.cache/streamser}
model_bin=$(python -c "from train.encoders.whisper_wheels import model_file; print(model_file('whisper-base'))")
python -m train tune
for corpus in ravdess banglaser; do python -m train tune --leave-out $corpus --steps 300; done
python -m export whisper "$model_bin" --layers 2 3 4 --tuned "$cache/tuning/tuned-1.pt"
python -m train features
python -m train fusion --configuration linear
python -m train fusion --configuration mixed --seed 1 2 6 --epochs 8 # of the seeds 3 to 6 the last is best on validation speakers
python -m train sounds
python -m export fusion linear-1 mixed-1 mixed-2 mixed-6 --left-out tuned-1-without-ravdess tuned-1-without-banglaser
python -m export pack
python -m train report --sealed            # every look at a sealed corpus is logged in docs/sealed_looks.jsonl
python -m export pack --metrics docs/report.json
