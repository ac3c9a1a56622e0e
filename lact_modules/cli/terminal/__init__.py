"""What subcommands write and count, and how signals end them."""
