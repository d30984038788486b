# make chat    sets up and chats           make test    sets up and tests
# make setup   sets up                     make check   style and types
# make bench   measures a turn             make clean   removes what set-up made

.PHONY: chat test setup check bench clean
.SILENT:

needs := pyproject.toml setup.sh

chat: .venv/ready
	.venv/bin/funcgemma chat

setup: .venv/ready

# Types and style are looked at while tests wait for processes to come back.
test: .venv/ready-dev
	$(MAKE) --no-print-directory check >.venv/check.log 2>&1 & \
	.venv/bin/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder; tested=$$?; \
	wait $$! || { cat .venv/check.log; exit 1; }; \
	exit $$tested

check: .venv/ready-dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check --quiet .
	.venv/bin/mypy

bench: .venv/ready-dev
	.venv/bin/python -m tools.bench

.venv/ready: $(needs)
	./setup.sh

.venv/ready-dev: $(needs)
	./setup.sh --dev

clean:
	rm -rf .venv .local build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
