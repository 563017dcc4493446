"""The command line: one command a file. Each has `COMMAND`, its table, and `main(parsed, context)`."""
