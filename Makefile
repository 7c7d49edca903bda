# Everything is installed into $(VENV) and nowhere else. To choose a build of torch, give pip's own
# options: make demo PIP_ARGS="--extra-index-url ..."
PYTHON ?= python3
VENV ?= .venv
PIP_ARGS ?=
LAB_ARGS ?=
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install $(PIP_ARGS) --use-pep517 --editable

.PHONY: help demo test browse packages lab step docs export readme prepare clean

help:  ## list these commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

demo: $(VENV)/.lf2-cpu  ## pre-train, adapt and score on synthetic people: minutes, no download of data
	$(BIN)/lf2 demo --output runs/demo

test: $(VENV)/.lf2-dev  ## test every notebook, and run the checks
	@$(BIN)/python tools/test.py

browse: $(VENV)/.lf2-dev  ## use the page of lf2 explore in a headless Chromium
	@$(BIN)/python tools/browse.py

packages:  ## build wheel and sdist, and use each in a clean environment: 6 GB for a while
	@$(PYTHON) tools/install.py

lab: $(VENV)/.lf2-dev  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab $(LAB_ARGS) nbs

step: $(VENV)/.lf2-dev  ## run all cells of every notebook in a new kernel, slow ones too
	@LF2_CACHE=$$(mktemp -d) IN_TEST=1 $(BIN)/jupyter execute nbs/*.ipynb nbs/*/*.ipynb

docs: $(VENV)/.lf2-docs  ## build the documentation site into _docs/html
	@$(BIN)/python tools/docs.py

export: $(VENV)/.lf2-dev  ## write lf2/ from the notebooks and clean these
	$(BIN)/nbdev_export
	$(BIN)/nbdev_clean
	$(BIN)/jupyter nbconvert --to notebook --ClearOutputPreprocessor.enabled=True \
		--output-dir lf2/templates nbs/figures/run.ipynb

readme: $(VENV)/.lf2-dev  ## write README.md from nbs/index.ipynb
	$(BIN)/python tools/readme.py

prepare: export readme test  ## all that a commit needs

clean:  ## remove what was built; environments, runs and datasets stay
	rm -rf _proc _docs docs/reference build dist nbs/.last_checked .mypy_cache .ruff_cache
	find lf2 nbs tools -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A file that says what has been installed, so that a second call installs nothing.
$(VENV)/.lf2-cpu: settings.ini setup.py | $(BIN)/python
	$(INSTALL) ".[cpu]"
	@touch $@

$(VENV)/.lf2-dev: settings.ini setup.py | $(BIN)/python
	$(INSTALL) ".[dev]"
	@touch $@ $(VENV)/.lf2-cpu

$(VENV)/.lf2-docs: settings.ini setup.py | $(BIN)/python
	$(INSTALL) ".[dev,docs]"
	@touch $@ $(VENV)/.lf2-dev $(VENV)/.lf2-cpu
