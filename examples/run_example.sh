#!/bin/sh
# In place of FastGen's run_example.sh: Llama 2 7B on one GPU, prompts of 2600 tokens, 60 generated, 1 to 32 clients.
# Arguments are handed on, e.g. --set model.path=/models/llama-2-7b or --dry-run.
exec fastgen-tui record --profile llama2-7b-a6000 "$@"
