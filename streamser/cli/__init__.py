"""The command `streamser`: one file a verb, each with `add_arguments(parser)` and `run(args) -> int`."""
