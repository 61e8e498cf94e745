#!/usr/bin/env bash
# Fine-tunes MedGemma on the MedVision training tasks: bash node/scripts/train__SFT__MedGemma.sh [further flags of dist/train.js]
# All variables and their defaults are in sft.sh. The model is gated: accept its terms on the hub first.
set -euo pipefail

base_model_hf="${base_model_hf:-google/medgemma-4b-it}"
run_name="${run_name:-MedGemma-4b-SFT}"

source "$(dirname "${BASH_SOURCE[0]}")/sft.sh"
