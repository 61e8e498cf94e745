#!/usr/bin/env bash
# Fine-tunes Qwen2.5-VL on the MedVision training tasks: bash node/scripts/train__SFT__Qwen2.5-VL.sh [further flags of dist/train.js]
# All variables and their defaults are in sft.sh. base_model_hf=Qwen/Qwen2.5-VL-3B-Instruct takes the smaller model.
set -euo pipefail

base_model_hf="${base_model_hf:-Qwen/Qwen2.5-VL-7B-Instruct}"
run_name="${run_name:-Qwen2.5-VL-7B-SFT}"

source "$(dirname "${BASH_SOURCE[0]}")/sft.sh"
