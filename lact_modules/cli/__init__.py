"""The command line ``lact-asr``: one file a subcommand, what they share in folders."""
