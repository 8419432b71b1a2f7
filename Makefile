# Needs Python 3.9 or later, make and a network (PyPI). Everything else is installed below .envs/,
# one environment per release of Supervisor.
#
#   make test PYTHON=python3.12    another interpreter (the environments are made anew)
#   make integration JOBS=8        how many integration tests run at once; most of them wait
#   make rolling ROUNDS=5          how often each restart is measured
#   make chaos SECONDS=600 SEED=7  how long, and what every random decision comes from
#   make chaos RESTARTS=10000      instead: whether memory grows over so many restarts
#   make ansible ANSIBLE_PYTHON=python3.13    the controller's Python (default: the newest that runs)
#   make shake ROUNDS=20           all tests under each condition, so often; ONLY=umask-077 for one of them
#   make web CHROMIUM=/opt/chrome  another browser
#   make demo HOLD=1               stays up until Ctrl-C

PYTHON ?= python3
JOBS ?= 6
ROUNDS ?= 3
SECONDS ?= 60
SEED ?=
RESTARTS ?=
ONLY ?=
HOLD ?=
CHROMIUM ?= $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name))))
ANSIBLE_PYTHON ?= $(shell "$(PYTHON)" tests/collection/pythons.py)

OLD := .envs/4.2.5
NEW := .envs/4.3.0
# Controllers: the newest ansible-core that ANSIBLE_PYTHON can have, and the oldest that the collection works with.
CORE := .envs/ansible
CORE_OLD := .envs/ansible-2.15
# Tests of the page in a browser: playwright, which brings none of its own here.
WEB := .envs/web
# Style of the page's scripts. Each release may find something new, so it is an exact one; biome.json names it, too.
BIOME := .envs/biome
BIOME_RELEASE := 2.6.8
PAGE := supervisor_restarter/web/page tests/web

# What runs on the older Supervisor: what depends on Supervisor. `make unit ON_OLD=`: everything.
ON_OLD ?= -m every_release
PYTEST := -m pytest -q --durations=10 --durations-min=2
COVERED := $(CURDIR)/.envs/covered
COVERAGE := $(NEW)/bin/python -m coverage
REPORT := $(COVERAGE) report --skip-covered --show-missing --data-file=$(COVERED)
# Unit tests compute, one for each processor; most integration tests wait.
UNIT := $(PYTEST) -n logical tests/unit
INTEGRATION := $(PYTEST) -n $(JOBS) tests/integration
MODULE_TESTS := -m pytest -q -c ansible/tests/unit/pytest.ini ansible/tests/unit

export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1

# Every supervisord would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo bench rolling heldup recipes crashloop chaos shake shake-quick test test-all checks lint types
.PHONY: unit integration stock coverage dist clean
.PHONY: lint-page web web-unit web-browser pictures
.PHONY: ansible ansible-quick ansible-unit ansible-unit-3.8 ansible-sanity ansible-install ansible-fleet ansible-fleet-quick
.PHONY: ansible-bench
.PHONY: FORCE

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-19s %s\n", $$1, $$2 }'

demo: $(NEW)/.made ## restart 32 processes the usual way and with the plugin, and compare
	@$(NEW)/bin/python -m bench.demo $(if $(HOLD),--hold)

bench: $(NEW)/.made .envs/circus/.made .envs/pm2/.made ## restart 32 to 2,000 processes with this plugin, with other supervisors, and with the plugin as it was
	@$(NEW)/bin/python -m bench.speed --rounds $(ROUNDS)
	@$(NEW)/bin/python -m bench.flat $(if $(filter-out file,$(origin ROUNDS)),--rounds $(ROUNDS))

rolling: $(NEW)/.uvicorn ## restart real servers under load, and count what their clients see
	@$(NEW)/bin/python -m bench.rolling --rounds $(ROUNDS)
	@$(NEW)/bin/python -m bench.unnoticed --rounds $(ROUNDS)

heldup: $(NEW)/.made ## how long supervisord serves nobody else while it reads the files of 500 processes
	@$(NEW)/bin/python -m bench.heldup

recipes: $(NEW)/.made .envs/recipes/.made ## run docs/recipes.md with gunicorn, uvicorn, celery, rq, node, php-fpm, nginx, haproxy
	@$(NEW)/bin/python -m bench.recipes

crashloop: $(NEW)/.made .envs/recipes/.made ## restart gunicorn to a release that comes up and dies
	@$(NEW)/bin/python -m bench.crash_loop

chaos: $(NEW)/.made ## try to break it: misbehaving programs, random clients, kill -9, wall-clock steps
	@$(NEW)/bin/python -m tests.chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(if $(RESTARTS),--restarts $(RESTARTS))

shake: ROUNDS := $(if $(filter file,$(origin ROUNDS)),1,$(ROUNDS))
shake: $(OLD)/.made $(NEW)/.made ## run all tests under strange conditions with busy loops beside them; takes hours
	@$(NEW)/bin/python -m tests.shake --jobs $(JOBS) --rounds $(ROUNDS) $(ONLY:%=--only %)
	@$(OLD)/bin/python -m tests.shake --jobs $(JOBS) --rounds $(ROUNDS) $(ONLY:%=--only %)

shake-quick: $(NEW)/.made ## the part of it that is quick: most conditions at once
	@$(NEW)/bin/python -m tests.shake --quick --jobs $(JOBS)

# The steps of `make ansible` and of its short form. Most tests of the fleet wait, so two run at once.
ANSIBLE := ansible-unit ansible-unit-3.8 ansible-sanity ansible-install ansible-fleet
ANSIBLE_QUICK := ansible-fleet-quick,ansible-unit,ansible-install

test: ## everything: lint, types and all tests; on the older Supervisor what depends on Supervisor
	@$(MAKE) --no-print-directory checks CHECKS='lint types,stock unit integration coverage web $(ANSIBLE_QUICK)'

test-all: ## all tests on both Supervisors, many more random examples, and shake-quick; takes an hour
	@$(MAKE) --no-print-directory checks CHECKS='lint types,stock unit integration coverage web $(ANSIBLE) shake-quick' \
	  ON_OLD= BOTH=yes HYPOTHESIS_PROFILE=thorough FUZZ=10

# One after the other, for tests watch the clock; a comma joins two that use one processor each.
# How long each took comes at the end.
checks: $(OLD)/.made $(NEW)/.made
	@$(call in_turn,$(CHECKS))

# $(call in_turn,CHECKS)
define in_turn
took=; for check in $(1); do \
  began=$$(date +%s); $(MAKE) --no-print-directory -j2 $$(echo $$check | tr , ' ') || exit 1; \
  took="$$took$$check: $$(($$(date +%s) - began)) s\n"; \
done; printf "$$took"
endef

lint: $(NEW)/.made ## check the style with ruff, and that of the page with biome
	$(NEW)/bin/python -m ruff check .
	$(NEW)/bin/python -m ruff format --check --quiet . || { echo 'not formatted: $(NEW)/bin/python -m ruff format .' >&2; exit 1; }

	@$(MAKE) --no-print-directory lint-page

# Without npm or its registry the rest of lint still counts.
lint-page:
	@if ! command -v npm > /dev/null; then echo 'NOT TESTED: the style of the page; npm is missing: apt install npm'; \
	elif ! $(MAKE) -s --no-print-directory $(BIOME)/.$(BIOME_RELEASE) 2> /dev/null; \
	then echo 'NOT TESTED: the style of the page; npm cannot install biome, see $(BIOME).log'; \
	else $(BIOME)/node_modules/.bin/biome check --error-on-warnings $(PAGE) \
	  || { echo 'to format: $(BIOME)/node_modules/.bin/biome check --write $(PAGE)' >&2; exit 1; }; fi

types: $(NEW)/.made ## check the types with mypy
	$(NEW)/bin/python -m mypy

unit: $(OLD)/.made $(NEW)/.made ## run the unit tests
	$(OLD)/bin/python $(UNIT) $(ON_OLD)
	COVERAGE_FILE=$(COVERED) $(NEW)/bin/python $(UNIT) --cov --cov-report=

integration: $(OLD)/.made $(NEW)/.made ## run the tests with real supervisords
	$(OLD)/bin/python $(INTEGRATION) $(ON_OLD)
	$(NEW)/bin/python $(INTEGRATION)

coverage: $(NEW)/.made ## branch coverage of the last unit tests: 98 % of the package, all of engine and client
	@echo 'Covered by unit tests, the package, and engine and client:'; \
	$(REPORT) --fail-under=98; package=$$?; \
	$(REPORT) --include='*/engine/*,*/client/*' --fail-under=100 && exit $$package

stock: $(OLD)/.made $(NEW)/.made ## run Supervisor's own tests beside the plugin
	@$(if $(BOTH),$(OLD)/bin/python -m tests.stock)
	@$(NEW)/bin/python -m tests.stock

web: web-unit web-browser ## try the page: its modules in node, all of it in a real browser

web-unit:
	@if command -v node > /dev/null; then node --test tests/web/unit/*.test.js; \
	else echo "NOT TESTED: the page's modules by themselves; node is missing: apt install nodejs"; fi

# $(call with_browser,COMMAND): in the environment with playwright, if there is a browser for it.
define with_browser
if ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; \
then echo 'NOT TESTED: the page in a browser; it needs Python 3.10 or later: make web PYTHON=python3.12'; \
elif [ -z "$(CHROMIUM)" ]; then echo 'NOT TESTED: the page in a browser; there is none: apt install chromium'; \
else $(MAKE) --no-print-directory $(WEB)/.made && CHROMIUM="$(CHROMIUM)" $(WEB)/bin/python $(1); fi
endef

web-browser:
	@$(call with_browser,$(PYTEST) -n 2 tests/web)

pictures: ## make the pictures of the page in docs/ anew
	@$(call with_browser,-m tests.web.pictures)

ansible: $(NEW)/.made $(CORE)/.made $(CORE_OLD)/.made ## all of the Ansible collection: unit tests, ansible-test sanity, build and install, a fleet
	@$(call in_turn,$(ANSIBLE))

ansible-quick: $(NEW)/.made $(CORE)/.made ## the part of it that is quick: unit tests, build and install, a short fleet
	@$(call in_turn,$(ANSIBLE_QUICK))

# Twice, for some tests need Ansible, and some compare with Supervisor; no environment has both.
ansible-unit: $(NEW)/.made $(CORE)/.made
	PYTHONPATH=$(CORE)/collections $(CORE)/bin/python $(MODULE_TESTS)
	PYTHONPATH=$(CORE)/collections $(NEW)/bin/python $(MODULE_TESTS)

# The oldest Python that a host may have; pip finds the ansible-core for it.
ansible-unit-3.8:
	@if python=$$("$(PYTHON)" tests/collection/pythons.py 3.8 3.8 2> /dev/null); then \
	  $(MAKE) --no-print-directory .envs/ansible-py3.8/.made OLDEST_PYTHON="$$python" && \
	  PYTHONPATH=.envs/ansible-py3.8/collections .envs/ansible-py3.8/bin/python $(MODULE_TESTS); \
	else echo 'NOT TESTED: the modules under Python 3.8, which is not here'; fi

ansible-sanity: $(NEW)/.made $(CORE)/.made $(CORE_OLD)/.made
	@$(NEW)/bin/python -m tests.collection.sanity $(CORE)
	@$(call with_old,$(NEW)/bin/python -m tests.collection.sanity $(CORE_OLD))

ansible-install: $(NEW)/.made $(CORE)/.made
	$(NEW)/bin/python $(PYTEST) tests/collection

ansible-fleet: $(NEW)/.made $(CORE)/.made $(CORE_OLD)/.made
	$(NEW)/bin/python $(PYTEST) -n 2 tests/fleet
	@$(call with_old,ANSIBLE_PLAYBOOK=$(CURDIR)/$(CORE_OLD)/bin/ansible-playbook $(NEW)/bin/python $(PYTEST) -n 2 tests/collection tests/fleet)

ansible-fleet-quick: $(NEW)/.made $(CORE)/.made
	$(NEW)/bin/python $(PYTEST) tests/fleet -m quick

ansible-bench: $(NEW)/.made .envs/ansible-community/.made ## restart 32 processes with Ansible: this collection beside community.general
	@$(NEW)/bin/python -m bench.fleet --rounds $(ROUNDS)

dist: .envs/dist/.made $(NEW)/.made ## build sdist and wheel below dist/, check them, and try the wheel out
	@rm -rf dist
	@.envs/dist/bin/python -m build --outdir dist > .envs/dist.log 2>&1 || { cat .envs/dist.log >&2; exit 1; }
	@rm -rf *.egg-info
	@.envs/dist/bin/python -m twine check --strict dist/*
	@WHEEL=$$(ls $(CURDIR)/dist/*.whl) $(NEW)/bin/python $(PYTEST) tests/integration/test_wheel.py

clean: ## remove the environments, caches and build leftovers
	rm -rf .envs .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage build dist *.egg-info
	find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

.PHONY: docs
docs: .envs/docs/.made ## build the pages of docs/ into build/docs; broken links and anchors fail
	@.envs/docs/bin/mkdocs build --strict --clean

.envs/docs/.made: .envs/made-with
	@echo 'making $(@D)' && rm -rf $(@D)
	@"$(PYTHON)" -m venv $(@D) && $(@D)/bin/python -m pip install -q 'mkdocs>=1.6,<2' > $(@D).log 2>&1 \
	  || { echo 'cannot make $(@D), see $(@D).log' >&2; exit 1; }
	@touch $@

# The environments. $(@D) is .envs/<version>, $(@D:.envs/%=%) the version. The older one has what Debian 12 has.
$(OLD)/.made: WITH := 'prometheus_client==0.16.*'
$(OLD)/.made $(NEW)/.made: .envs/made-with setup.py pyproject.toml
	@echo 'making $(@D)' && rm -rf $(@D)
	@"$(PYTHON)" -m venv $(@D) > $(@D).log 2>&1 \
	  || { echo 'cannot make $(@D): $(PYTHON) -m venv failed, see $(@D).log' >&2; exit 1; }
	@$(@D)/bin/python -m pip install -q -e '.[test]' 'supervisor==$(@D:.envs/%=%)' $(WITH) > $(@D).log 2>&1 || { \
	  if grep -qE 'NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError' $(@D).log; \
	  then echo 'cannot make $(@D): PyPI cannot be reached; a network is needed (details: $(@D).log)'; \
	  else echo "cannot make $(@D): $$(grep -E '^ *ERROR' $(@D).log | head -n 1) (details: $(@D).log)"; \
	  fi >&2; exit 1; }
	@touch $@

$(WEB)/.made: .envs/made-with setup.py pyproject.toml
	@echo 'making $(@D)' && rm -rf $(@D)
	@"$(PYTHON)" -m venv $(@D) > $(@D).log 2>&1 \
	  && $(@D)/bin/python -m pip install -q -e '.[test]' 'supervisor==$(NEW:.envs/%=%)' 'playwright>=1.50,<2' > $(@D).log 2>&1 \
	  || { echo 'cannot make $(@D), see $(@D).log' >&2; exit 1; }
	@touch $@

$(BIOME)/.$(BIOME_RELEASE):
	@rm -rf $(@D) && mkdir -p $(@D)
	@npm install --no-audit --no-fund --prefix $(@D) @biomejs/biome@$(BIOME_RELEASE) > $(@D).log 2>&1
	@touch $@

# The controllers. They find the collection as ansible_collections/supervisor/restarter below .envs/*/collections.
$(CORE)/.made: .envs/ansible-made-with
	@$(call make_controller,$(ANSIBLE_PYTHON),ansible-core)
# ansible-core 2.15 runs on Python 3.9 to 3.11. Where there is none, what needs it is left out, and says so.
$(CORE_OLD)/.made: .envs/made-with
	@if python=$$("$(PYTHON)" tests/collection/pythons.py 3.9 3.11); then $(call make_controller,$$python,'ansible-core==2.15.*'); \
	else rm -rf $(@D) && mkdir -p $(@D) && touch $@; fi
.envs/ansible-py3.8/.made: .envs/made-with
	@$(call make_controller,$(OLDEST_PYTHON),ansible-core)
# Brings community.general along; `make ansible-bench` runs both modules with its ansible-core.
.envs/ansible-community/.made: .envs/ansible-made-with
	@$(call make_controller,$(ANSIBLE_PYTHON),ansible)

# $(call make_controller,PYTHON,PACKAGE)
define make_controller
echo 'making $(@D)' && rm -rf $(@D) && \
"$(1)" -m venv $(@D) > $(@D).log 2>&1 && \
$(@D)/bin/python -m pip install -q $(2) 'pytest>=8.3,<9' > $(@D).log 2>&1 && \
mkdir -p $(@D)/collections/ansible_collections/supervisor && \
ln -s $(CURDIR)/ansible $(@D)/collections/ansible_collections/supervisor/restarter && \
touch $@ || { echo 'cannot make $(@D), see $(@D).log' >&2; exit 1; }
endef

# $(call with_old,COMMAND): with the oldest ansible-core, if there is one.
with_old = if [ -e $(CORE_OLD)/bin/python ]; then $(1); else echo 'NOT TESTED: ansible-core 2.15, which needs Python 3.9 to 3.11'; fi

.envs/ansible-made-with: .envs/made-with FORCE
	@python='$(ANSIBLE_PYTHON)'; "$$python" -c 'import os, sys; print(sys.base_prefix, sys.version, os.getcwd())' > $@.new \
	  || { echo "ANSIBLE_PYTHON=$$python does not run" >&2; exit 1; }
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

# What builds a release and looks at it.
.envs/dist/.made: .envs/made-with
	@echo 'making $(@D)' && rm -rf $(@D)
	@"$(PYTHON)" -m venv $(@D) && $(@D)/bin/python -m pip install -q 'build>=1.2,<2' 'twine>=6,<7' \
	  > $(@D).log 2>&1 || { echo 'cannot make $(@D), see $(@D).log' >&2; exit 1; }
	@touch $@

# uvicorn is for `make rolling` alone.
$(NEW)/.uvicorn: $(NEW)/.made
	@$(NEW)/bin/python -m pip install -q 'uvicorn>=0.34,<0.55' > $(@D).log 2>&1 \
	  || { echo 'cannot install uvicorn into $(@D), see $(@D).log' >&2; exit 1; }
	@touch $@

# The servers of docs/recipes.md that are on PyPI. The others are Debian packages, by hand:
# apt install nginx haproxy php-fpm redis-server nodejs. A recipe whose server is missing is left out; `make recipes` says so.
.envs/recipes/.made: .envs/made-with
	@echo 'making $(@D)' && rm -rf $(@D)
	@"$(PYTHON)" -m venv $(@D) && $(@D)/bin/python -m pip install -q gunicorn uvicorn 'celery[redis]' rq packaging \
	  > $(@D).log 2>&1 || { echo 'cannot make $(@D), see $(@D).log' >&2; exit 1; }
	@touch $@

# Peers of `make bench` alone. runit and s6 are Debian packages, by hand: apt install runit s6 (not runit-init).
# What cannot be installed is left out; the bench says so.
.envs/circus/.made: .envs/made-with
	@rm -rf $(@D) && "$(PYTHON)" -m venv $(@D) && $(@D)/bin/python -m pip install -q 'circus==0.19.*' \
	  > $(@D).log 2>&1 && touch $@ || echo 'circus cannot be installed, see $(@D).log'
.envs/pm2/.made:
	@mkdir -p $(@D) && npm install --no-audit --no-fund --prefix $(@D) pm2@7 > $(@D).log 2>&1 \
	  && touch $@ || echo 'pm2 cannot be installed (npm is needed), see $(@D).log'

# Which Python and which checkout the environments were made for. The file changes only when its
# content does, so that they are made anew after `make PYTHON=...` or when the checkout has moved.
.envs/made-with: FORCE
	@command -v "$(PYTHON)" > /dev/null 2>&1 || { \
	  echo '$(PYTHON) not found: install Python 3.9 or later, or name one with make PYTHON=...' >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2> /dev/null || { \
	  echo '$(PYTHON) is not Python 3.9 or later: install one, or name one with make PYTHON=...' >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2> /dev/null || { \
	  echo '$(PYTHON) has no venv or ensurepip: install them (Debian, Ubuntu: apt install python3-venv)' >&2; exit 1; }
	@mkdir -p .envs
	@"$(PYTHON)" -c 'import os, sys; print(sys.base_prefix, sys.version, os.getcwd())' > $@.new
	@if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
