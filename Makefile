# webpairs. `make` lists the targets. Everything is installed into .venv; `make clean` removes it.

PYTHON ?= python3
TORCH  ?= torch==2.13.0
OPEN_CLIP := open_clip_torch==3.3.0 torchvision==0.28.0 ftfy==6.3.1 wcwidth==0.9.4
RECIPE ?= recipes/demo.toml
DATA   ?= ../shared/data
ARGS   ?=

BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
OUT  = out/$(shell sed -n 's/^name *= *"\(.*\)".*/\1/p' $(RECIPE))

.DEFAULT_GOAL := help
.PHONY: help crawl shards train demo show real test lint fmt bench lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

.venv/base: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --constraint constraints.txt --editable .
	@touch $@

.venv/train: .venv/base
	$(PIP) $(TORCH)
	$(PIP) --constraint constraints.txt --editable '.[train]'
	@touch $@

.venv/dev: .venv/train
	$(PIP) --constraint constraints.txt --editable '.[train,dev]'
	rm -rf .venv/webdataset-old # the release that open_clip pins, for tests of what it reads
	$(PIP) --no-deps --target .venv/webdataset-old webdataset==0.2.86
	rm -rf .venv/open-clip # its training script must read our shards; nothing else here may import it
	$(PIP) --no-deps --target .venv/open-clip $(OPEN_CLIP)
	@touch $@

crawl: .venv/base ## read the pages of RECIPE, collect pairs
	$(BIN)/webpairs crawl $(RECIPE) $(ARGS)

shards: .venv/base ## filter the pairs, fetch the images, write the shards
	$(BIN)/webpairs filter $(RECIPE) $(ARGS)
	$(BIN)/webpairs fetch $(RECIPE) $(ARGS)
	$(BIN)/webpairs shard $(RECIPE) $(ARGS)

train: .venv/train ## train CLIP on the shards, judge it
	$(BIN)/webpairs train $(RECIPE) $(ARGS)
	$(BIN)/webpairs eval $(RECIPE) $(ARGS)

demo: .venv/train ## all of it on the demo web, then the pictures and the report
	$(BIN)/webpairs run recipes/demo.toml $(ARGS)
	$(BIN)/webpairs show out/demo/shards | tail -n 1
	$(BIN)/webpairs report out/demo

show: .venv/base ## the funnel and a contact sheet of RECIPE's shards
	$(BIN)/webpairs show $(OUT)/shards

real: .venv/train ## the whole line on the real sites and emoji in DATA
	$(BIN)/python benchmarks/real.py $(DATA) out/real $(ARGS)

test: .venv/dev ## run the tests
	$(BIN)/pytest -n 4 --dist loadfile $(ARGS)

lint: .venv/dev ## check style, types and layers; changes nothing
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: .venv/dev ## rewrite the code in the house style
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

bench: .venv/dev ## measure every stage, print the table of BENCHMARKS.md
	$(BIN)/python benchmarks/table.py

lock: .venv/dev ## pin what is installed now into constraints.txt (torch left out)
	$(BIN)/pip freeze --exclude-editable --exclude torch | sort -f > constraints.txt

clean: ## remove the environment and the runs
	rm -rf .venv out
