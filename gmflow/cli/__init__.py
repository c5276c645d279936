"""The command line: each module is one script's usage text and its topology."""
