#!/bin/sh
# In place of FastGen's run_all_vllm.sh: two engines under the same load, one after the other, and their curves in one
# chart. FastGen compares MII with vLLM: ENGINES='"mii", "vllm"' does; "mistralrs" is the embedded engine. Servers must be
# installed; see the profiles vllm, sglang, llama.cpp, tgi, mii. Arguments are handed on, e.g.
# --set model.path=/models/llama-2-7b or --dry-run.
set -e
engines=${ENGINES:-'"mistralrs", "vllm"'}
fastgen-tui record --profile llama2-7b-fastgen --yes --set "sweep.backend=[$engines]" -o engines.jsonl.zst "$@"
[ -f engines.jsonl.zst ] || exit 0    # --dry-run
for kind in throughput-latency effective-throughput latency-percentiles; do
    fastgen-tui plot $kind engines.jsonl.zst -o engines-$kind.svg
done
