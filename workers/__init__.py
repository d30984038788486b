"""One module a role: journal, router, functions, chat. Each is a process: `python -m workers.NAME`."""
