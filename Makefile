# make demo: set up, build the sample library, open the app.   make test: set up, pass the tests.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8501
ROWS   ?= 1600000
FULL   := $(filter 1600000,$(ROWS))
RIVALS ?= $(if $(FULL),200000,$(ROWS))
GROWTH ?= $(if $(FULL),100000 400000) $(ROWS)

.PHONY: demo test lint biomedclip soak bench screenshots clean

demo: $(VENV)/.core
	$(BIN)/medclip-search demo --port $(PORT)

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST)

lint: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# BiomedCLIP, and any other model of open_clip, under PyTorch: into the same environment, so that
# 'make test' skips nothing of it. The pair of versions is one that is known to go together.
biomedclip: $(VENV)/.biomedclip

# Proofs too long for every day: kill -9 at 20 random moments of each command.
soak: $(VENV)/.test
	MEDCLIP_KILLS=20 $(BIN)/python -m pytest tests/library/test_kill.py --timeout 3600 $(PYTEST)

# At full size, what those of a large library print goes into docs/benchmarks.md.
LARGE := $(BIN)/python -m $(if $(FULL),benchmarks.report )

# Each prints a table beside a rival or a bound; they want ../shared/data (or MEDCLIP_TEST_DATA).
# The last ones are of a large library: ROWS=20000 shows in minutes whether they work.
bench: $(VENV)/.test $(VENV)/.biomedclip
	$(BIN)/python -m benchmarks.vector_index
	$(BIN)/python -m benchmarks.compact_medpix
	$(BIN)/python -m benchmarks.compact_choices
	$(BIN)/python -m benchmarks.medpix_library --library libraries/medpix
	$(BIN)/python -m benchmarks.map libraries/medpix
	$(BIN)/python -m benchmarks.app_latency libraries/medpix
	$(BIN)/python -m benchmarks.app_sessions libraries/medpix
	$(BIN)/python -m benchmarks.duplicates
	$(BIN)/python -m benchmarks.diversity
	$(BIN)/python -m benchmarks.clip_runtimes
	$(BIN)/python -m benchmarks.embedding_pipeline
	$(BIN)/python -m benchmarks.compact_speed
	$(BIN)/python -m benchmarks.med_words
	$(BIN)/python -m benchmarks.roco_cuis
	$(BIN)/python -m benchmarks.expansion
	$(BIN)/python -m benchmarks.medpix_composed
	$(BIN)/python -m benchmarks.medpix_called
	$(BIN)/python -m benchmarks.combiner_medpix
	$(BIN)/python -m benchmarks.feedback_medpix
	$(BIN)/python -m benchmarks.feedback_roco
	$(BIN)/python -m benchmarks.feedback_speed
	$(BIN)/python -m benchmarks.facets_speed
	$(BIN)/python -m benchmarks.roco_captions $${MEDCLIP_TEST_DATA:-../shared/data}/roco
	$(LARGE)benchmarks.clip_like
	$(BIN)/python -m benchmarks.large_library libraries/$(ROWS) --rows $(ROWS)
	$(LARGE)benchmarks.million_vectors libraries/$(ROWS)/library
	$(LARGE)benchmarks.million_search libraries/$(ROWS)/library
	$(if $(FULL),$(LARGE)benchmarks.common_words libraries/$(ROWS)/library)
	$(LARGE)benchmarks.gpu_vectors libraries/$(ROWS)/library
	$(LARGE)benchmarks.within_memory libraries/$(ROWS)/library
	$(LARGE)benchmarks.million_updates libraries/$(ROWS)/library
	$(LARGE)benchmarks.growth libraries --rows $(GROWTH) $(if $(FULL),--draw docs/growth.svg)
	$(BIN)/python -m benchmarks.large_library libraries/$(RIVALS) --rows $(RIVALS)
	$(LARGE)benchmarks.rivals libraries/$(RIVALS)/library
	$(LARGE)benchmarks.json_vectors

# The app's main states at three sizes in both themes, taken in headless Chromium.
screenshots: $(VENV)/.test
	$(BIN)/medclip-search build libraries/sample --corpus sample
	$(BIN)/python tools/screenshots.py libraries/sample --words "axial CT" \
	  --image $$($(BIN)/python -c "import pydicom.data as d, pathlib; print(pathlib.Path(d.__file__).parent / 'test_files/CT_small.dcm')")

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is older than 3.11: say which one to use, as in 'make demo PYTHON=python3.11'"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	@touch $@ $(VENV)/.core

$(VENV)/.biomedclip: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 torchvision==0.28.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[biomedclip]'
	@touch $@
