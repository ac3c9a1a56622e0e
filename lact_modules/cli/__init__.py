"""The command line ``lact-asr``: one file a subcommand."""
