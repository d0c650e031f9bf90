# Etholake. Every target is thin over one command line: `.venv/bin/etholake --help`.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= $(MABE_DATA_DIR)
ifneq ($(DATA),)
export MABE_DATA_DIR := $(DATA)
endif
ifdef TARGET
export TARGET
endif
ifdef PORT
export PORT
endif
# A stage starts dozens of Python processes; without bytecode on disk each compiles its thousands of modules again.
unexport PYTHONDONTWRITEBYTECODE
# All targets of one `make` are one run in the logs.
ifndef ETHOLAKE_RUN_ID
export ETHOLAKE_RUN_ID := $(shell date -u +%Y%m%dT%H%M%SZ)-$(shell od -An -N3 -tx1 /dev/urandom | tr -d ' \n')
endif
.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*## .*/\1/p' $(firstword $(MAKEFILE_LIST)))

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'
	@echo '  Variables: DATA=<folder in the MABe layout> TARGET=mock|localstack|aws PORT=4566 ARGS="<options>"'

install: $(BIN)/.installed ## Make .venv with the pinned dependencies (done by every target that needs it)

# torch goes first and alone: pip takes the CPU or the CUDA build; everything else is locked.
$(BIN)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info[:2] == (3, 11) or sys.exit("Etholake needs Python 3.11 (what Glue 5.1 runs); make PYTHON=/path/to/python3.11")'
	@java -version >/dev/null 2>&1 || { echo 'Etholake needs Java 17 for Spark: install a JRE 17 (Debian: openjdk-17-jre-headless)'; exit 1; }
	$(PYTHON) -m venv .venv && $(BIN)/pip install -q --disable-pip-version-check torch==2.13.0 uv==0.13.8 && $(BIN)/uv pip install -q --python $(BIN)/python -r requirements.lock && $(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e . && touch $@

demo: install ## Raw tracks to scored events, end to end, on this machine (DATA=…)
	@$(BIN)/etholake demo $(ARGS)

# mypy uses one core for most of a minute, so it runs beside the tests; what it says comes after theirs.
test: install ## Lint, types and all tests
	$(BIN)/ruff format --check . && $(BIN)/ruff check .
	@types=$$(mktemp); $(BIN)/mypy >$$types 2>&1 & mypy=$$!; $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 10 $(ARGS); \
	tests=$$?; wait $$mypy; wrong=$$?; cat $$types; rm -f $$types; [ $$wrong = 0 ] && exit $$tests

check: install ## Unit tests: no server, no JVM, no browser (a minute)
	$(BIN)/python -m pytest -n 2 -m 'not (server or jvm or browser or slow or long)' $(ARGS)

test-long: install ## The long tests: fuzzing, many faults (tens of minutes)
	$(BIN)/python -m pytest -m long --timeout 0 $(ARGS)

lint: install ## ruff and mypy
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy

audit: install ## Locked dependencies against published advisories (offline: ARGS="--osv all.zip")
	@$(BIN)/python infra/audit.py $(ARGS)

up: install ## Start the mock on loopback and print what to export
	@$(BIN)/etholake up $(ARGS)

down: install ## Stop the mock
	@$(BIN)/etholake down $(ARGS)

localstack: install .localstack/.installed ## Start LocalStack 4.12 (no Docker) for TARGET=localstack, at PORT
	@$(BIN)/python -m etholake.localstack.host up

.localstack/.installed: etholake/localstack/requirements.lock
	$(BIN)/uv venv -q --clear --python 3.11 .localstack/venv && $(BIN)/uv pip install -q --python .localstack/venv/bin/python -r $< && touch $@

localstack-down: ## Stop LocalStack
	@$(BIN)/python -m etholake.localstack.host down

config: install ## Print every setting and where it comes from
	@$(BIN)/etholake config $(ARGS)

deploy: install ## Create or update the stacks and upload the code (TARGET=aws shows the changes and asks)
	@$(BIN)/etholake deploy $(ARGS)

destroy: install ## Delete the stacks (a bucket with data only if named: ARGS="--bucket NAME")
	@$(BIN)/etholake destroy $(ARGS)

cost: install ## What the last run of every stage would cost on AWS
	@$(BIN)/etholake cost $(ARGS)

import: install ## Any lab's folder into a data folder (FOLDER=… OUT=data ARGS="--fps 30")
	@$(BIN)/etholake import "$(FOLDER)" --out "$(or $(OUT),data)" $(ARGS)

export: install ## Labels or predictions as another tool's files (TO=boris OUT=… ARGS="--run RUN --videos NAME")
	@$(BIN)/etholake export --to "$(TO)" --out "$(OUT)" $(ARGS)

benchmark: install ## A published benchmark by its own protocol (NAME=calms21 FILES=… ARGS=…)
	@$(BIN)/etholake benchmark "$(NAME)" --data "$(FILES)" $(ARGS)

ingest: install ## Upload raw data (DATA=…) to the raw zone
	@$(BIN)/etholake ingest $(ARGS)

etl: install ## Run the Glue jobs and refresh the catalog
	@$(BIN)/etholake etl $(ARGS)

clips: install ## Cut the videos of the raw zone into clips of animals (ARGS="--length 16 --crop-size 112")
	@$(BIN)/etholake clips $(ARGS)

overlay: install ## Skeletons, boxes and events over a video (VIDEO=<id> OUT=overlay.mp4 ARGS=--only-bouts)
	@$(BIN)/etholake overlay --video "$(VIDEO)" --out "$(or $(OUT),overlay.mp4)" $(ARGS)

metrics: install ## Way, speed and time of each behavior as Parquet and xlsx (OUT=metrics ARGS='--run <run>')
	@$(BIN)/etholake metrics --out "$(or $(OUT),metrics)" $(ARGS)

video-check: install ## What is wrong with the videos, tracks and labels of a folder (FOLDER=…)
	@$(BIN)/etholake video-check "$(FOLDER)" $(ARGS)

compact: install ## Merge small files of tracks into large ones
	@$(BIN)/etholake compact $(ARGS)

vacuum: install ## Remove what no table references any more (ARGS="--older-than 24")
	@$(BIN)/etholake vacuum $(ARGS)

query: install ## Ask Athena: ARGS='--name lake_overview' or ARGS='--sql "SELECT …"'
	@$(BIN)/etholake query $(ARGS)

train: install ## Train a behaviour classifier (CONFIG=base; ensemble: CONFIG=w64,w128 ARGS='--folds 5'; stack: … --stack)
	@$(BIN)/etholake train $(if $(CONFIG),--config $(CONFIG)) $(ARGS)

features: install ## The compact arrays that training reads, once for many trainings, as a processing job
	@$(BIN)/etholake features $(ARGS)

tune: install ## Search hyper-parameters (ARGS='--jobs 8 --strategy Bayesian')
	@$(BIN)/etholake tune $(ARGS)

explain: install ## What a model knows (MODEL=folder, model.tar.gz or s3 URI; default: the lake's newest)
	@$(BIN)/etholake explain $(MODEL) $(ARGS)

serve: install ## Deploy the endpoint of the newest model
	@$(BIN)/etholake serve $(ARGS)

registry: install ## Versions of the model (ARGS='--register', '--approve 1', or '--rollback 1': serves an older one)
	@$(BIN)/etholake registry $(ARGS)

curves: install ## Chart the metrics of training jobs: dist/curves.html (ARGS='--job NAME')
	@$(BIN)/etholake curves $(ARGS)

drift: install ## Requests of the endpoint against the training videos: dist/drift.html
	@$(BIN)/etholake drift $(ARGS)

predict: install ## Events of held-out or test videos (ARGS='--split test --output submission.csv')
	@$(BIN)/etholake predict $(ARGS)

evaluate: install ## The official score and more (ARGS='--submission submission.csv --html evaluation.html')
	@$(BIN)/etholake evaluate $(ARGS)

dashboards: install ## The dashboards as a page, dist/dashboards.html (SERVE=1: live, on loopback)
	@$(BIN)/etholake dashboards $(if $(SERVE),--serve) $(ARGS)

notebooks: install ## Execute the notebooks against the lake at PORT; HTML in dist/notebooks/ (ARGS=eda)
	@$(BIN)/python -m dashboards.export_notebooks $(ARGS)

figure: install ## A figure for a paper and its CSV, dist/<KIND>.pdf (KIND=budget ARGS='--group sex'; figure --help)
	@$(BIN)/etholake figure $(KIND) $(ARGS)

docs: install ## The documentation as a site, dist/docs/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)

desk: install ## One page that runs it all, on loopback: import, check, train, predict, review, export
	@$(BIN)/etholake desk $(ARGS)

review: install ## Look at videos, correct labels, merge, train again, on loopback (ARGS='--user NAME --video ID')
	@$(BIN)/etholake review $(ARGS)

video: install ## The page of one video, dist/video-<number>.html (VIDEO=<number or name>; SERVE=1: live)
	@$(BIN)/etholake video --video "$(VIDEO)" $(if $(SERVE),--serve) $(ARGS)

screenshots: install ## Pictures of every tab for docs/img/, with Chromium, from the lake at PORT
	@$(BIN)/python -m dashboards.screenshots $(ARGS)

report: install ## One run as a page, dist/report-<run>.html (RUN=<id>; default: the newest run)
	@$(BIN)/etholake report $(RUN) $(ARGS)

pipeline: install ## The whole way as a state machine, states shown live (ARGS="--status" or "--stop")
	@$(BIN)/etholake pipeline $(ARGS)

package: install ## Build what is shipped to Glue and SageMaker into dist/
	@$(BIN)/etholake package $(ARGS)

bench: install ## Quick benchmarks in 10 minutes at most; ratios go to benchmarks/history.md (ARGS="--only etl")
	$(BIN)/python benchmarks/bench.py $(ARGS)

clean: ## Stop the mock; remove its buckets, logs and builds (never your data)
	@if [ -x $(BIN)/etholake ]; then $(BIN)/etholake down; fi
	rm -rf s3_mock .etholake dist build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
