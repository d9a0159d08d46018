# `make` alone prints this help.
#   make folds train blend              from the embedded sample to a submission
#   make … DATA=folder MINUTES=60       what fits into an hour, on a folder as downloaded from the contest
#   make … RECIPE=ensembles/x.toml      another recipe;  WORK=folder  SUBMISSIONS=folder  other places
#   make … SET="member.lr=1e-3"         the recipe with changes; several with a space between them, none inside
#   make … CLUSTER=auto                 on a Ray cluster (folds, train, search, evaluate)
PYTHON ?= python3
VENV := .venv
FFDI := $(VENV)/bin/ffdi
# An option with the value of a variable, if it has one; or the value alone. `value`: a $ in it is no reference of make.
quoted = '$(subst ','\'',$(1))'
option = $(if $(value $(2)),$(1) $(call quoted,$(value $(2))))
PLACES = $(call option,--recipe,RECIPE) $(call option,--data,DATA) $(call option,--minutes,MINUTES) $(call option,--work,WORK) \
         $(call option,--submissions,SUBMISSIONS) $(foreach change,$(value SET),$(call quoted,$(change)))
CLUSTERED = $(call option,--cluster,CLUSTER)
# Show a command and run it. A stop by a deadline or Ctrl-C ends with 75; make itself can only end with 2.
run = $(info $(1))@$(1) || { code=$$?; [ $$code -ne 75 ] || echo "Stopped with everything saved (exit code 75, no \
error): run the same command again to go on." >&2; exit $$code; }
READY := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help setup data folds forge train search blend evaluate submit ledger kernels doctor test coverage test-slow test-cluster bench

help:           ## this help
	@sed -n 's/^#   /  /p' $(firstword $(MAKEFILE_LIST)); echo
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18

setup: $(READY) ## make .venv with everything pinned in requirements.txt (all other targets do it too)
$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --requirement requirements.txt
	$(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

data: $(READY)  ## download the competition's files from Kaggle into DATA (default data/<slug>)
	$(call run,$(FFDI) download $(call option,--recipe,RECIPE) $(call option,--data,DATA) $(call option,--competition,COMPETITION))

folds: $(READY) ## read every table and image, then make folds that do not leak
	$(call run,$(FFDI) folds $(PLACES) $(CLUSTERED))

forge: folds    ## make fakes of the originals, as [forge] of the recipe says, in OUT (default: below work)
	$(call run,$(FFDI) forge $(PLACES) $(call option,--out,OUT))

train: folds    ## fine-tune every member on every fold, predict OOF, val and test
	$(call run,$(FFDI) train $(PLACES) $(CLUSTERED) $(call option,--until,UNTIL))

search: RECIPE ?= ensembles/search_sample.toml
ifdef STORAGE # not as an argument: make shows those, and it may hold a password
search: export FFDI_STORAGE := $(value STORAGE)
endif
search: folds   ## search learning rates and augmentation as [search] of the recipe says; STATUS=1 PROMOTE=1
	$(call run,$(FFDI) search $(PLACES) $(CLUSTERED) $(call option,--until,UNTIL) $(call option,--workers,WORKERS) \
	    $(if $(STATUS),--status) $(if $(PROMOTE),--promote))

blend: train    ## blend the members, estimate what the blend scores, write the submission
	$(FFDI) blend $(PLACES)

evaluate: blend ## show where the blend is weak; DEGRADED=1 also on damaged copies
	$(call run,$(FFDI) evaluate $(PLACES) $(CLUSTERED) $(if $(DEGRADED),--degraded))

submit: $(READY) ## check and show SUBMISSION (default the newest), send it with YES=1; AGAIN=1 KERNEL=owner/slug VERSION=n
	$(call run,$(FFDI) submit $(call option,,SUBMISSION) $(call option,--recipe,RECIPE) $(call option,--work,WORK) \
	    $(call option,--submissions,SUBMISSIONS) $(if $(YES),--yes) $(if $(AGAIN),--again) $(call option,--kernel,KERNEL) \
	    $(call option,--version,VERSION) $(call option,--wait,WAIT) $(call option,--competition,COMPETITION))

ledger: $(READY) ## every submission, what was expected of it and what it got; REFRESH=1 asks Kaggle
	$(FFDI) ledger $(call option,--submissions,SUBMISSIONS) $(if $(REFRESH),--refresh)

kernels: $(READY) ## write the dataset that kernels/infer.py reads on Kaggle, and say what to do next
	$(FFDI) kernels pack $(PLACES)

doctor: $(READY) ## show this machine, weights and parameters, and what the recipe costs here
	$(FFDI) doctor $(PLACES)

test: $(READY)  ## lint, types and the quick tests
	$(VENV)/bin/ruff check src tests
	$(VENV)/bin/ruff format --check src tests
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest --numprocesses logical --dist worksteal

coverage: $(READY) ## the quick tests with line coverage, which makes them half as fast
	$(VENV)/bin/python -m pytest --numprocesses logical --dist worksteal --cov --cov-report=term

test-slow: $(READY) ## the long tests: hundreds of kills, fuzzing
	$(VENV)/bin/python -m pytest -m slow

test-cluster: $(READY) ## the tests on a Ray cluster of two small nodes, which they start and end
	$(VENV)/bin/python -m pytest -m "cluster and not slow"

bench: $(READY) ## throughput of the kit's parts as ratios against what people use
	$(VENV)/bin/python -m tests.bench
