# Everything runs in a virtual environment of its own; Python 3.11 or later, pip and make are enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo quick test test-all zoo test-lowest check docs lock bench sheet portraits outputs page clean

demo: $(VENV)/.installed  ## Re-age the public-domain portrait that scikit-image carries.
	$(BIN)/python -c "import skimage.data as d; from PIL import Image; import os; \
	os.makedirs('demo', exist_ok=True); Image.fromarray(d.astronaut()).save('demo/astronaut.png')"
	$(BIN)/reage edit demo/astronaut.png --ages 20:80:20 --overwrite
	@echo "The pictures are in $(CURDIR)/demo: start with astronaut-ages20-80.png"

# By their names, so that no other file (and no browser, video or server) is imported.
quick: $(VENV)/.installed  ## The laws, on tiny models: below a minute.
	$(BIN)/python -m pytest -n auto --dist worksteal -m "quick and not slow" \
	$$(grep -rl --include='test_*.py' 'mark.quick' tests)

test: $(VENV)/.installed  ## The tests, on tiny models: some minutes.
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

test-all: $(VENV)/.installed  ## The slow ones too.
	$(BIN)/python -m pytest -n auto --dist worksteal

zoo: $(VENV)/.installed  ## Odd and hostile inputs, on all cores: docs/reliability.md.
	$(BIN)/python tests/zoo/run.py

# What each required package is used for, and the page and videos: reading and writing pictures,
# weights, faces, an edit, a question to the page, a video.
LOWEST := tests/images \
	tests/models/test_carried_weights.py tests/models/test_checkpoints.py \
	tests/networks/judges/test_age_and_gender.py \
	tests/faces/test_detection.py::test_the_astronauts_face \
	tests/faces/test_detection.py::test_landmarks_are_mediapipes \
	tests/cli/test_cli.py::TestEdit::test_one_age tests/cli/test_cli.py::TestAge \
	tests/web/test_api.py::test_project_opens_to_the_same_pixels \
	tests/video/test_video.py::TestEdit::test_pictures_times_and_sound

# The lowest versions lie over those of the lock, from which the rest (torch, pytest-xdist) comes.
test-lowest: $(VENV)/.installed  ## Some tests with the lowest versions that pyproject.toml names.
	rm -rf build/lowest && mkdir -p build
	$(BIN)/python .ci/lowest.py > build/lowest.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --target build/lowest \
	-r build/lowest.txt
	PYTHONPATH=$(CURDIR)/build/lowest $(BIN)/python -m pytest -q -n auto $(LOWEST)

check: $(VENV)/.installed  ## Style, types, tests.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(MAKE) test

DOCS := build/docs-venv
docs: $(DOCS)/.installed  ## Build the site into build/site; a link that leads nowhere is an error.
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=src $(DOCS)/bin/mkdocs build --strict
	$(DOCS)/bin/python docs/_tools/check_site.py build/site
	@echo "Read it: $(PYTHON) -m http.server --directory build/site"

# Only the tools of the site: reage's own packages are not needed to read its sources.
$(DOCS)/.installed: pyproject.toml Makefile
	$(PYTHON) -m venv $(DOCS)
	$(PYTHON) -c "import tomllib as t; p = t.load(open('pyproject.toml', 'rb'))['project']; \
	print(*p['optional-dependencies']['docs'], 'click', 'ruff', sep='\n')" > $(DOCS)/requirements.txt
	$(DOCS)/bin/pip install --quiet --disable-pip-version-check -r $(DOCS)/requirements.txt
	touch $@

lock:  ## Write requirements.lock anew from what pyproject.toml allows today.
	$(PYTHON) -m venv --clear build/lock
	build/lock/bin/pip install --quiet torch==2.13.0
	build/lock/bin/pip install --quiet '.[dev]'
	(sed -n '/^#/p' requirements.lock; build/lock/bin/pip freeze --exclude reage \
	| sed 's/+cpu//; s/ @ .*//') > build/requirements.lock && mv build/requirements.lock .

OTHERS := $(if $(ROSINALITY),--rosinality $(ROSINALITY)) $(if $(NVIDIA),--nvidia $(NVIDIA)) \
	$(if $(PADDLEGAN),--paddlegan $(PADDLEGAN))
BACKENDS := --backends onnx openvino

bench: $(VENV)/.installed  ## Time everything; ROSINALITY=PATH NVIDIA=PATH PADDLEGAN=PATH beside.
	$(BIN)/python benchmarks/starting.py --json build/bench/starting.json
	$(BIN)/python benchmarks/edit.py --json build/bench/edit.json
	$(BIN)/python benchmarks/encoding.py $(BACKENDS) --json build/bench/encoding.json
	$(BIN)/python benchmarks/memory.py $(OTHERS) --json build/bench/memory.json
	$(BIN)/python benchmarks/projecting.py $(OTHERS) --json build/bench/projecting.json
	$(BIN)/python benchmarks/generators.py $(OTHERS) $(BACKENDS) --json build/bench/generators.json
	$(BIN)/python benchmarks/report.py build/bench/*.json --table build/bench/bench.md \
	--plot build/bench/bench.svg

sheet: $(VENV)/.installed  ## docs/contact-sheet*.jpg from the synthetic portraits in ../shared.
	$(BIN)/python benchmarks/contact_sheet.py ../shared/portraits/synthetic docs/contact-sheet.jpg
	$(BIN)/python benchmarks/contact_sheet.py ../shared/portraits/synthetic \
	docs/contact-sheet-replace.jpg replace

portraits: $(VENV)/.installed  ## docs/reference/portraits.md: all portraits in ../shared at four ages.
	$(BIN)/python benchmarks/portraits.py ../shared/portraits docs/reference/portraits.md

outputs: $(VENV)/.installed  ## The recordings in docs/guides/animations.md, from the synthetic portraits.
	$(BIN)/python benchmarks/outputs.py ../shared/portraits/synthetic docs

page: $(VENV)/.installed  ## The pictures and the recording of the page in docs/guides/page.md (needs Chromium).
	$(BIN)/python benchmarks/page.py ../shared/portraits/synthetic/female-54.jpg docs

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
# On all cores, unlike pip. Files that are for another Python are left.
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null 2>&1 || true
	touch $@

clean:
	rm -rf $(VENV) build demo .pytest_cache .ruff_cache
