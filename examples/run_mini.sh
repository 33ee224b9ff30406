#!/bin/sh
# The same experiment in small, for two CPU cores and a few minutes.
exec fastgen-tui record --profile fastgen-mini "$@"
