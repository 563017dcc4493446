"""Executions: one launch of an application, one or many jobs. The model that the command line and the server share."""
