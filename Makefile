# Everything runs inside .venv, which is made on demand; `make help` lists the targets.
#
# The versions are those of constraints.txt. pip reads its own settings as always, so
# PIP_EXTRA_INDEX_URL (where to find torch without CUDA, for instance) works here as well.

ASSIGNMENTS = notebooks/assignments
WRITTEN = $(ASSIGNMENTS)/selfstudy/stamp
NOTEBOOKS = $(sort $(wildcard notebooks/*.ipynb))
PY = .venv/bin/python
# The first of these that is Python 3.11 or newer; `make PYTHON=/path/to/python` names one.
PYTHON = python3.11 python3 python3.12 python3.13 python3.14 python

# Tests run in so many processes; a file of tests stays in one.
WORKERS = 2
PYTEST = $(CLEAN_ENV) $(PY) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Seconds after which a cell or the start of a kernel counts as hanging, whatever else runs.
HANGS = 1200

# JupyterLab refuses to run as root (in a container, say) unless it is told that this is meant.
ROOT_FLAG = $(if $(filter 0,$(shell id -u)),--allow-root)

# Tests must not depend on what the user has set up for Jupyter, IPython and matplotlib at home.
# Python keeps what it has compiled; otherwise every process would compile all of it again.
# One thread: networks this small gain nothing from more, and lose much on a busy machine.
CLEAN_ENV = env -u MPLBACKEND -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 \
            JUPYTER_CONFIG_DIR="$(CURDIR)/.venv/jupyter" \
            IPYTHONDIR="$(CURDIR)/.venv/ipython" MPLCONFIGDIR="$(CURDIR)/.venv/matplotlib"

WRITE = $(CLEAN_ENV) $(PY) $(ASSIGNMENTS)/release.py && touch $(WRITTEN)

.DEFAULT_GOAL = help
.PHONY: help lab check test portable lowest refresh lint bench book fused-sklearn clean \
        assignments grade feedback formgrader

help:
	@echo "make lab      open the course in JupyterLab"
	@echo "make check    after you change a line, a minute: lint and the quick tests of helpers"
	@echo "make test     some half an hour: all that is promised is checked: code, notebooks, browser"
	@echo "make lowest   the tests of helpers with the oldest libraries that pyproject.toml allows"
	@echo "make portable  compare the outputs under other kernels of the processor: SETS=Haswell/avx2/1"
	@echo "make assignments   write what students get from notebooks/assignments/source"
	@echo "make grade    grade what they hand in: FROM=folder ASSIGNMENT=01_split [SECONDS=limit for a cell]"
	@echo "make feedback    write the feedback again, with the points you gave: ASSIGNMENT=01_split"
	@echo "make formgrader    open nbgrader's page for grading by hand"
	@echo "make refresh  run the notebooks again and store their new outputs"
	@echo "make lint     ruff over code and notebooks"
	@echo "make bench    the timings that the README states"
	@echo "make book     the lessons as a site and as slides, in build/book: REPOSITORY=owner/name on GitHub"
	@echo "make fused-sklearn    scikit-learn's and joblib's own tests, inside fused()"
	@echo "make clean    remove .venv and caches"

lab: $(WRITTEN)
	OMP_NUM_THREADS=1 $(PY) -m jupyterlab --ServerApp.root_dir=notebooks \
	    --LabApp.default_url=/lab/tree/01_split.ipynb $(ROOT_FLAG) $(LAB_ARGS)

# What takes long is shown in the end: shorten it, or mark it slow.
check: lint
	$(PYTEST) --dist worksteal -p no:nbval --helpers-only -m "not slow" --durations 8 --durations-min 0.3

# A third process has the time in which two wait for kernels and browsers.
test: WORKERS = 3
test: lint $(WRITTEN)
	$(PYTEST) tests helpers README.md $(NOTEBOOKS) \
	    -p tests.nbval_pictures --nbval --nbval-current-env --nbval-cell-timeout $(HANGS) \
	    --nbval-kernel-startup-timeout $(HANGS) --nbval-sanitize-with tests/sanitize.cfg

lowest: .venv-lowest/stamp
	$(subst $(PY),.venv-lowest/bin/python,$(PYTEST)) --helpers-only

# Each kernel of numpy with each of torch, on one thread and on two. SETS names fewer of them, and
# FILES fewer files, such as one notebook.
portable: .venv/stamp
	$(CLEAN_ENV) WORKERS=$(WORKERS) FILES="$(FILES)" $(PY) -m tests.portable $(SETS)

# Whoever asks for it gets it, whatever the times of the files; `make lab` asks only where one is newer.
assignments: .venv/stamp
	$(WRITE)

$(WRITTEN): .venv/stamp $(wildcard $(ASSIGNMENTS)/source/*/*.ipynb $(ASSIGNMENTS)/*.py $(ASSIGNMENTS)/grading/*.py)
	$(WRITE)

grade: .venv/stamp
	@test "$(FROM)" -a "$(ASSIGNMENT)" || { echo "Say whose work: make grade FROM=folder ASSIGNMENT=01_split" >&2; exit 2; }
	$(CLEAN_ENV) $(PY) $(ASSIGNMENTS)/grade.py "$(FROM)" "$(ASSIGNMENT)" $(if $(SECONDS),--seconds "$(SECONDS)")

feedback: .venv/stamp
	@test "$(ASSIGNMENT)" || { echo "Say which: make feedback ASSIGNMENT=01_split" >&2; exit 2; }
	@cd $(ASSIGNMENTS) && test -d ".graded/$(ASSIGNMENT)" || { \
	    echo "Nobody was graded for '$(ASSIGNMENT)', but for: `cd .graded 2>/dev/null && ls -d */ | tr -d / | paste -sd ' ' -`" >&2; exit 2; }
	@cd $(ASSIGNMENTS) && $(CLEAN_ENV) ../../$(PY) -W ignore -m nbgrader generate_feedback "$(ASSIGNMENT)" \
	    --force --log-level=ERROR \
	    && $(CLEAN_ENV) ../../$(PY) -W ignore -m grading.feedback "$(ASSIGNMENT)"
	@echo "The pages are written: $(ASSIGNMENTS)/feedback/STUDENT/$(ASSIGNMENT)/$(ASSIGNMENT).html"

formgrader: .venv/stamp
	cd $(ASSIGNMENTS) && ../../$(PY) -m jupyterlab --LabApp.default_url=/formgrader $(ROOT_FLAG) $(LAB_ARGS)

# One process a notebook, so that the memory it reports is that notebook's.
refresh: .venv/stamp
	@set -e; for notebook in $(NOTEBOOKS); do $(CLEAN_ENV) $(PY) tests/refresh.py "$$notebook"; done
	@$(PY) -m tests.readme_picture

lint: .venv/stamp
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

bench: .venv/stamp
	$(CLEAN_ENV) SCIPY_ARRAY_API=1 $(PY) -m tests.benchmarks

# The stored outputs are shown and nothing is run. A warning is an error, and every page is read anew,
# because a page that has not changed warns of nothing.
book: .venv/stamp
	rm -rf build/book
	$(CLEAN_ENV) REPOSITORY="$(REPOSITORY)" $(PY) -m sphinx -qEW --keep-going \
	    -c notebooks/book -d build/doctrees notebooks build/book
	@echo "The site is built: open build/book/index.html. The slides are in build/book/slides."

# What cannot pass stands in the two plugins, with the reason.
OTHERS_TESTS = $(CLEAN_ENV) $(PY) -m pytest -q -c /dev/null --rootdir . -p no:cacheprovider

fused-sklearn: .venv/stamp
	$(OTHERS_TESTS) -p tests.fusing.joblibs_own --pyargs joblib.test.test_parallel
	$(OTHERS_TESTS) -p tests.fusing.scikit_learns_own --pyargs \
	    sklearn.model_selection.tests.test_search sklearn.model_selection.tests.test_validation \
	    sklearn.model_selection.tests.test_successive_halving sklearn.tests.test_calibration \
	    sklearn.feature_selection.tests.test_rfe sklearn.ensemble.tests.test_forest \
	    sklearn.inspection.tests.test_permutation_importance

clean:
	rm -rf .venv .venv-lowest .pytest_cache .ruff_cache build *.egg-info
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# An environment of its own, with the lowest versions of what pyproject.toml asks for. None of the
# versions in constraints.txt is asked for here, since many of those want newer ones.
.venv-lowest/stamp: pyproject.toml tests/lowest.py | .venv/stamp
	$(PY) -m venv --clear .venv-lowest
	.venv-lowest/bin/python -m pip install -e '.[course,scale,test]' `$(PY) tests/lowest.py`
	@touch $@

# Debian without python3-venv has no ensurepip; there the pip outside installs into the .venv.
# Compiled on all cores afterwards, which pip would do on one; imports then take a third. (The
# libraries' own tests are nobody's to run here.)
# What nbgrader adds to JupyterLab is for teachers, who have `make formgrader`.
# matplotlib builds its font cache here because it would say so inside the first notebook.
.venv/stamp: pyproject.toml constraints.txt
	@stop() { echo "$$1" >&2; exit 1; }; \
	test ! -L .venv || stop ".venv is a link, and installing would change the environment of another folder: remove the link, and make gives this folder its own."; \
	rm -f $@; \
	ready() { "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
	if ! ready $(PY); then \
	    for python in $(PYTHON); do if ready "$$python"; then break; fi; python=; done; \
	    test "$$python" || stop "Python 3.11 or newer is needed: install it, or name it with 'make PYTHON=/path/to/python3.11'."; \
	    "$$python" -m venv --clear .venv >/dev/null 2>&1 \
	        || "$$python" -m venv --clear --without-pip .venv >/dev/null 2>&1 \
	        || stop "$$python cannot make a virtual environment: install its venv module (on Debian and Ubuntu: apt-get install python3-venv) and try again."; \
	fi; \
	pip="$(PY) -m pip"; \
	if ! $$pip --version >/dev/null 2>&1; then \
	    for python in $(PYTHON); do \
	        pip="$$python -m pip --python $(PY)"; \
	        if $$pip --version >/dev/null 2>&1; then break; fi; pip=; \
	    done; \
	    test "$$pip" || stop "pip is missing: install it (on Debian and Ubuntu: apt-get install python3-pip python3-venv) and try again."; \
	fi; \
	small="about a minute, some 460 MB to download and 2 GB on the disk"; \
	large="several minutes, 3 GB to download and 6 GB on the disk"; \
	if ls -d .venv/lib/python*/site-packages/torch >/dev/null 2>&1; then \
	    room=1; echo "Bringing .venv up to date."; \
	elif test "`uname -sm`" != "Linux x86_64"; then \
	    room=3; echo "Installing the course into .venv: $$small."; \
	elif $$pip config list 2>/dev/null | grep -qE 'index-url|find-links'; then \
	    room=3; echo "Installing the course into .venv: $$small, if the index that pip is told of has torch without CUDA. Else $$large."; \
	else \
	    room=9; echo "Installing the course into .venv: $$large, since pip brings torch with CUDA here."; \
	    echo "To avoid it, stop now, put the address of the index of CPU builds (the PyTorch start page names it) into PIP_EXTRA_INDEX_URL, and run make again."; \
	fi; \
	free=`df -Pk . 2>/dev/null | awk 'END {print int($$4 / 1e6)}'`; \
	test "$${free:-$$room}" -ge "$$room" \
	    || stop "There is too little room on the disk: $$free GB are free, and the installation needs $$room while it runs."; \
	$$pip install --no-compile -c constraints.txt pip -e '.[dev]' \
	    || stop "The installation failed (pip says why, above): check the network connection and run make again."; \
	$(PY) -m compileall -q -j 0 -x '/tests/' .venv/lib >/dev/null 2>&1; \
	$(CLEAN_ENV) $(PY) -c 'import matplotlib.font_manager' \
	    || stop "The installed packages cannot be imported: run 'make clean' and then make again."; \
	$(PY) -m jupyter labextension disable --level=sys_prefix @jupyter/nbgrader; \
	touch $@
