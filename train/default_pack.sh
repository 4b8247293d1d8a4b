#!/bin/sh
# The default pack's fusion from corpora to pack.json, as it ships. The other networks are made by CONTRIBUTING.md's lines before it.
# STREAMSER_DATA: the data; STREAMSER_CACHE: features and checkpoints, about 12 GB. About two hours of two cores.
set -e
cd "$(dirname "$0")/.."
model_bin=$(python -c "from train.encoders.whisper_wheels import model_file; print(model_file('whisper-base'))")
python -m export whisper "$model_bin" --layers 2 3 4
python -m train features
python -m train fusion --configuration mixed --seed 1 3
python -m train fusion --configuration unpitched --seed 1
for corpus in ravdess nemo banglaser; do python -m train fusion --configuration mixed --seed 1 --leave-out $corpus --epochs 8; done
python -m train sounds
python -m export fusion mixed-1 mixed-3 unpitched-1 \
    --left-out mixed-1-without-ravdess mixed-1-without-nemo mixed-1-without-banglaser
python -m export pack
python -m train report --sealed            # every look at a sealed corpus is logged in docs/sealed_looks.jsonl
python -m export pack --metrics docs/report.json
