"""The commands: they parse, call run.py or local/, print, and choose the exit code."""
