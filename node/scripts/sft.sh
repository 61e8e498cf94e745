# The run behind train__SFT__MedGemma.sh and train__SFT__Qwen2.5-VL.sh, which set the model and source this file. Every variable is
# medvision_bm's and may be set from outside: epoch=3 data_dir=/data bash node/scripts/train__SFT__MedGemma.sh. DRY_RUN=true prints the
# commands and runs nothing.

# Hyperparameters. The effective batch size is per_device_train_batch_size * gradient_accumulation_steps.
epoch="${epoch:-10}"
learning_rate="${learning_rate:-2e-4}"
per_device_train_batch_size="${per_device_train_batch_size:-1}"
per_device_eval_batch_size="${per_device_eval_batch_size:-1}"
gradient_accumulation_steps="${gradient_accumulation_steps:-12}"
gradient_checkpointing="${gradient_checkpointing:-true}"
use_flash_attention_2="${use_flash_attention_2:-true}"

# Checkpointing and evaluation.
save_steps="${save_steps:-50}"
eval_steps="${eval_steps:-50}"
logging_steps="${logging_steps:-10}"
save_total_limit="${save_total_limit:-10}"
resume_from_checkpoint="${resume_from_checkpoint:-false}"

# Data. -1 takes all samples.
data_dir="${data_dir:-./Data}"
tasks_list_dir="${tasks_list_dir:-node/recipes/tasks_list}"
tasks_list_json_path_AD="${tasks_list_json_path_AD:-$tasks_list_dir/tasks_MedVision-AD__train_SFT.json}"
tasks_list_json_path_detect="${tasks_list_json_path_detect:-$tasks_list_dir/tasks_MedVision-detect__train_SFT.json}"
tasks_list_json_path_TL="${tasks_list_json_path_TL:-$tasks_list_dir/tasks_MedVision-TL__train_SFT.json}"
train_sample_limit="${train_sample_limit:-22000}"
val_sample_limit="${val_sample_limit:-200}"
train_sample_limit_task_AD="${train_sample_limit_task_AD:-5500}"
val_sample_limit_task_AD="${val_sample_limit_task_AD:-45}"
train_sample_limit_task_Detection="${train_sample_limit_task_Detection:-11000}"
val_sample_limit_task_Detection="${val_sample_limit_task_Detection:-105}"
train_sample_limit_task_TL="${train_sample_limit_task_TL:-5500}"
val_sample_limit_task_TL="${val_sample_limit_task_TL:-50}"
save_processed_img_to_disk="${save_processed_img_to_disk:-true}"
process_img="${process_img:-false}"
num_workers_concat_datasets="${num_workers_concat_datasets:-4}"
num_workers_format_dataset="${num_workers_format_dataset:-4}"
dataloader_num_workers="${dataloader_num_workers:-2}"

# Output, Weights & Biases, the hub. Log in first: `wandb login`, `hf auth login` (or WANDB_API_KEY and HF_TOKEN).
lora_checkpoint_dir="${lora_checkpoint_dir:-outputs/$run_name}"
merged_model_dir="${merged_model_dir:-outputs/${run_name}_merged}"
merged_model_hf="${merged_model_hf:-$run_name}"
report_to="${report_to:-console,jsonl}"
wandb_resume="${wandb_resume:-allow}"
wandb_dir="${wandb_dir:-$lora_checkpoint_dir}"
wandb_project="${wandb_project:-MedVision-SFT}"
wandb_run_name="${wandb_run_name:-$run_name}"
wandb_run_id="${wandb_run_id:-$run_name}"
push_LoRA="${push_LoRA:-false}"
push_merged_model="${push_merged_model:-false}"
merge_model="${merge_model:-false}"
merge_only="${merge_only:-false}"

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

run() {
  if [ "${DRY_RUN:-false}" = true ]; then
    printf '%q ' "$@"
    printf '\n'
  else
    "$@"
  fi
}

if [ "${DRY_RUN:-false}" != true ] && [ ! -f dist/train.js ]; then npm run build; fi

# What says which model and which rows: the same for the run that prepares them and the run that trains on them.
rows=(
  --run_name "$run_name" --base_model_hf "$base_model_hf" --data_dir "$data_dir"
  --tasks_list_json_path_AD "$tasks_list_json_path_AD" --tasks_list_json_path_detect "$tasks_list_json_path_detect"
  --tasks_list_json_path_TL "$tasks_list_json_path_TL"
  --train_sample_limit "$train_sample_limit" --val_sample_limit "$val_sample_limit"
  --train_sample_limit_task_AD "$train_sample_limit_task_AD" --val_sample_limit_task_AD "$val_sample_limit_task_AD"
  --train_sample_limit_task_Detection "$train_sample_limit_task_Detection"
  --val_sample_limit_task_Detection "$val_sample_limit_task_Detection"
  --train_sample_limit_task_TL "$train_sample_limit_task_TL" --val_sample_limit_task_TL "$val_sample_limit_task_TL"
  --save_processed_img_to_disk "$save_processed_img_to_disk" --process_img "$process_img"
  --num_workers_concat_datasets "$num_workers_concat_datasets" --num_workers_format_dataset "$num_workers_format_dataset"
)
wandb=()
case ",$report_to," in
  *,wandb,*)
    wandb=(
      --wandb_resume "$wandb_resume" --wandb_dir "$wandb_dir" --wandb_project "$wandb_project"
      --wandb_run_name "$wandb_run_name" --wandb_run_id "$wandb_run_id"
    ) ;;
esac
merged=()
if [ "$merge_model" = true ] || [ "$merge_only" = true ] || [ "$push_merged_model" = true ]; then
  merged=(--merged_model_dir "$merged_model_dir")
fi
if [ "$push_merged_model" = true ]; then merged+=(--merged_model_hf "$merged_model_hf"); fi

if [ "$merge_only" = true ]; then
  run node dist/train.js --run_name "$run_name" --base_model_hf "$base_model_hf" --output_dir "$lora_checkpoint_dir" \
    --merge_only true --push_merged_model "$push_merged_model" ${merged[@]+"${merged[@]}"}
  exit
fi

# Step 2 of the tutorial: is everything there? check_setup=false trains without asking.
if [ "${check_setup:-true}" = true ]; then
  run node dist/setup.js "${rows[@]}" --output_dir "$lora_checkpoint_dir" \
    --per_device_train_batch_size "$per_device_train_batch_size" --report_to "$report_to" \
    --push_LoRA "$push_LoRA" --push_merged_model "$push_merged_model" "$@"
fi

# Rows are prepared once; a later run with the same settings finds them.
run node dist/train.js "${rows[@]}" --process_dataset_only true "$@"

run node dist/train.js "${rows[@]}" --skip_process_dataset true \
  --output_dir "$lora_checkpoint_dir" --resume_from_checkpoint "$resume_from_checkpoint" \
  --epoch "$epoch" --learning_rate "$learning_rate" \
  --per_device_train_batch_size "$per_device_train_batch_size" --per_device_eval_batch_size "$per_device_eval_batch_size" \
  --gradient_accumulation_steps "$gradient_accumulation_steps" --gradient_checkpointing "$gradient_checkpointing" \
  --use_flash_attention_2 "$use_flash_attention_2" --dataloader_num_workers "$dataloader_num_workers" \
  --save_steps "$save_steps" --eval_steps "$eval_steps" --logging_steps "$logging_steps" --save_total_limit "$save_total_limit" \
  --report_to "$report_to" ${wandb[@]+"${wandb[@]}"} \
  --push_LoRA "$push_LoRA" --push_merged_model "$push_merged_model" --merge_model "$merge_model" ${merged[@]+"${merged[@]}"} "$@"
