# Two commands do all the set-up: `make demo` and `make test`. POSIX shell, GNU make 3.81 or newer.
#
#   make demo PYTHON=python3.12              another interpreter (3.11 or newer, with venv)
#   make demo TORCH_INDEX=https://...        take torch from this package index (a CPU build is enough)
#   make demo INDEX=https://...              take everything from this package index

PYTHON      ?= python3
VENV        ?= .venv
INDEX       ?=
TORCH_INDEX ?= $(INDEX)
TORCH       := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
# Holds axe-core, which the tests of the page run in the browser; the driver that it would bring is not needed.
AXE         := $(shell sed -n 's/^\(axe-playwright-python==.*\)/\1/p' constraints.txt)

PIP   = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
INDEX_OPTION       = $(if $(INDEX),--index-url $(INDEX))
TORCH_INDEX_OPTION = $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))

# An editable install is not compiled; where Python may not write byte code itself, every start would be slower.
COMPILE = $(VENV)/bin/python -m compileall -q src

# What WeasyPrint loads at run time, and one font of the system's own, without which it cannot start.
APT_LIBRARIES = libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core
HAS_PANGO = import sys, ctypes.util as u; sys.exit(not all(u.find_library(n) for n in ("pango-1.0", "pangoft2-1.0", "harfbuzz-subset")))
HAS_FONT  = find /usr/share/fonts /usr/local/share/fonts /System/Library/Fonts /Library/Fonts $$HOME/.fonts -name "*.[to]tf" 2>/dev/null | grep -q .
# The browser that the tests of the HTML page drive; LAYERGRID_BROWSER names another.
BROWSERS  = chromium chromium-browser google-chrome google-chrome-stable

.PHONY: demo test slow benchmark system browser clean
.DEFAULT_GOAL := demo

demo: $(VENV)/.installed system
	$(VENV)/bin/layergrid build specs/arithmetic.yaml

test: $(VENV)/.test-installed system browser
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -n 2 $(PYTEST)

slow: $(VENV)/.test-installed system browser
	$(VENV)/bin/python -m pytest -m slow $(PYTEST)

benchmark: $(VENV)/.test-installed
	$(VENV)/bin/python -m pytest -m benchmark -s $(PYTEST)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "layergrid needs Python 3.11 or newer; name one with: make demo PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "venv is missing; on Debian or Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.torch: constraints.txt | $(VENV)/bin/python
	$(PIP) $(TORCH_INDEX_OPTION) "$(TORCH)"
	@touch $@

$(VENV)/.installed: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) $(INDEX_OPTION) --constraint constraints.txt --editable .
	@$(COMPILE)
	@touch $@

$(VENV)/.test-installed: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) $(INDEX_OPTION) --constraint constraints.txt --editable ".[test,fonts]"
	$(PIP) $(INDEX_OPTION) --no-deps "$(AXE)"
	@$(COMPILE)
	@touch $@ $(VENV)/.installed

system: | $(VENV)/bin/python
	@if $(VENV)/bin/python -c '$(HAS_PANGO)' && { $(HAS_FONT); }; then :; \
	elif command -v apt-get >/dev/null; then $(call apt,$(APT_LIBRARIES)); \
	elif command -v brew >/dev/null; then brew install pango; \
	else echo "install Pango (with HarfBuzz) and one font with your package manager, then try again" >&2; exit 1; fi

browser:
	@if [ -n "$$LAYERGRID_BROWSER" ]; then exit 0; fi; \
	for name in $(BROWSERS); do if command -v $$name >/dev/null; then exit 0; fi; done; \
	if [ -d "/Applications/Google Chrome.app" ] || [ -d "/Applications/Chromium.app" ]; then exit 0; fi; \
	if command -v apt-get >/dev/null; then $(call apt,chromium); \
	elif command -v brew >/dev/null; then brew install --cask chromium; \
	else echo "install Chromium, or set LAYERGRID_BROWSER to a browser of its family" >&2; exit 1; fi

# Installs Debian packages as root or with a sudo that asks nothing; otherwise says what to run.
define apt
if [ "$$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root=sudo; \
else echo "please run: sudo apt-get install $(1)" >&2; exit 1; fi; \
$$as_root apt-get update -qq && \
$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null
endef

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
