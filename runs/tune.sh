#!/usr/bin/env bash
# The whole loop that makes the router better: data, split, tune, evaluate, compare, deploy, replay.
#
#   ./setup.sh --models && .venv/bin/pip install -e '.[train]' && .venv/bin/hf auth login    # once
#   runs/tune.sh
#   RUN=7 STEPS=1500 LR=1e-4 OBJECTIVE=none:3 LOGS=labelled.jsonl runs/tune.sh
#
# Every stage is a command by itself and can be run alone; what is there already is kept. See docs/tuning.md.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")/.."

RUN=${RUN:-1}
STEPS=${STEPS:-500}
LR=${LR:-3e-5}
OBJECTIVE=${OBJECTIVE:-none:1}
python=.venv/bin/python
funcgemma=.venv/bin/funcgemma
split=data/finetune/run_$RUN
adapter=data/peft_adapters/run_$RUN
results=data/results

# ---- data: what people wrote, what was labelled in logs, and, if wanted, what qwen2.5:7b writes (GENERATE=40)
$python -m tools.check_data
data=(data/test)
if [[ ${GENERATE:-0} -gt 0 ]]; then
    $python -m tools.generate_test_data --count "$GENERATE" --resume
    data+=(data/generated)
fi
if [[ -n ${LOGS:-} ]]; then
    data+=("$LOGS")
fi

# ---- split: validation and test are by authors that training has not seen
$python -m tools.split_data "${data[@]}" --run-id "$RUN" --by-batch

# ---- tune: goes on from the latest checkpoint where it was broken off
if [[ ! -d $adapter/adapter ]]; then
    resume=()
    compgen -G "$adapter/checkpoint-*" > /dev/null && resume=(--resume-from-checkpoint)
    $python -m tools.finetune_peft --run-id "$RUN" --max-steps "$STEPS" --lr "$LR" --objective "$OBJECTIVE" \
        ${resume[@]+"${resume[@]}"}
fi

# ---- evaluate: the base, the tuned router and the one without a model, on the same cases
mkdir -p $results
$python -m tools.evaluate --router peft --data "$split/test.jsonl" --json "$results/base-$RUN.json"
$python -m tools.evaluate_peft --run-id "$RUN" --json "$results/tuned-$RUN.json"
$python -m tools.evaluate --router embedded --leave-batch-out 8 --json "$results/embedded.json"

# ---- compare: base and tuned side by side, with the cases that changed
$python -m tools.evaluate --compare "$results/base-$RUN.json" "$results/tuned-$RUN.json" | tee "$results/compared-$RUN.md"

# ---- replay, first half: what was said so far, before anything changes
log=$results/before-$RUN.jsonl
$funcgemma log export --out "$log" || echo "Nothing to replay."

# ---- deploy: merged, made in Ollama, compared with the adapter, made the router's model
$python -m tools.deploy --run-id "$RUN"

# ---- replay, second half: the same turns with the new router; status 1 where it got worse
if [[ -s $log ]]; then
    $funcgemma down || true
    $funcgemma up --detach
    $python -m tools.replay "$log" --json "$results/replayed-$RUN.json"
fi
