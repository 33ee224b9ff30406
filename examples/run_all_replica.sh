#!/bin/sh
# In place of FastGen's run_all_replica.sh: Llama 2 7B, one engine, two, four, eight, each with 16 clients.
exec fastgen-tui record --profile llama2-7b-replicas-fastgen --yes "$@"
