"""The command ``orchestrate``: one file a group of commands, loaded when one of them is called."""
