"""The flows: what the command line, the Python API, jobs and the server call."""
