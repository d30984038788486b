"""One command a stage, each `python -m tools.NAME`."""
