#!/bin/sh
# In place of FastGen's run_all.sh: Llama 2 7B, 13B and 70B at the sizes of tensor parallelism that it ran. The engine
# takes the size from the environment, once for a process, so each size is a run; more than one GPU needs a build
# with --features cuda,nccl. Ended in the middle? Go on with: fastgen-tui record --resume FILE
set -e
fastgen-tui record --profile llama2-7b-fastgen --yes -o llama2-7b-tp1.jsonl.zst
for tp in 1 2 4; do MISTRALRS_MN_LOCAL_WORLD_SIZE=$tp fastgen-tui record --profile llama2-13b-fastgen --yes --set backend.tensor_parallel=$tp -o llama2-13b-tp$tp.jsonl.zst; done
for tp in 4 8; do MISTRALRS_MN_LOCAL_WORLD_SIZE=$tp fastgen-tui record --profile llama2-70b-fastgen --yes --set backend.tensor_parallel=$tp -o llama2-70b-tp$tp.jsonl.zst; done
