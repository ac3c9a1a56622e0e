"""Options and arguments of several subcommands; those of one are in its file."""
