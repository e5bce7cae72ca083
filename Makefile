# `make help` lists what there is. Everything it builds lies under build/, which `make clean` removes.

# The first Python of the right age; another one by name: make demo PYTHON=python3.13
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON := $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

BUILD := build
VENV := $(BUILD)/venv
PROJECT_VENV := $(BUILD)/project-venv
PROJECT := {{cookiecutter.project_slug}}
UV := $(VENV)/bin/uv
# One stamp a Python version: another PYTHON builds the environments anew.
READY := $(VENV)/ready-$(VERSION)
PROJECT_READY := $(PROJECT_VENV)/ready-$(VERSION)
ANSIBLE_VENV := $(BUILD)/ansible-venv
ANSIBLE_READY := $(ANSIBLE_VENV)/ready-$(VERSION)
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

# No step may bring a Python of its own, nor read a uv configuration of the user's.
export UV_PYTHON_DOWNLOADS := never
export UV_NO_CONFIG := 1
export PYTHONDONTWRITEBYTECODE := 1
export PYTHONUNBUFFERED := 1

.DEFAULT_GOAL := help
.PHONY: help demo test rehearsal brokers matrix fleet bench lint format lock ci clean

help: ## list these targets
	@printf 'make TARGET [PYTHON=python3.13]\n\n'
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' Makefile | while IFS='|' read -r target about; do \
		printf '  %-9s %s\n' "$$target" "$$about"; done

demo: $(READY) ## generate a project, start it, do real work in every group (ports: WEB_PORT= FLOWER_PORT= REDIS_PORT=)
	@$(VENV)/bin/python -m demo $(BUILD)/demo

test: $(READY) $(PROJECT_READY) $(ANSIBLE_READY) ## every check and test, with the time of each (some of them: STAGES="lint template")
	@$(VENV)/bin/python -m tests $(STAGES)

rehearsal: $(READY) ## twelve real Debian hosts on this machine, with faults to cause on them (root; installs what it needs)
	@$(if $(filter-out 0,$(shell id -u)),sudo) $(VENV)/bin/python -m rehearsal up --install $(if $(INVENTORY),--inventory $(INVENTORY))

brokers: $(READY) $(PROJECT_READY) ## lose brokers' nodes, measure every stall, write docs/guarantees.md (root; some: ROWS="--fault kill")
	@$(if $(filter-out 0,$(shell id -u)),sudo) $(VENV)/bin/python -m tests.brokers.stalls --document $(ROWS)

matrix: $(READY) $(PROJECT_READY) ## count what is lost while everything fails in turn, write docs/guarantees.md (root; some: CELLS="--fault kill")
	@$(if $(filter-out 0,$(shell id -u)),sudo) $(VENV)/bin/python -m tests.delivery.matrix --document $(CELLS)

fleet: $(READY) $(PROJECT_READY) $(ANSIBLE_READY) ## roll out to eleven hosts, break them, write docs/guarantees.md (root; some: ROWS="bare back")
	@$(if $(filter-out 0,$(shell id -u)),sudo) $(VENV)/bin/python -m tests.fleet.table $(or $(ROWS),--document)

bench: $(READY) ## measure what the defaults cost and gain (some of it: MEASURES="render idle-memory")
	@$(VENV)/bin/python -m benchmarks $(MEASURES)

lint: $(READY) ## ruff and mypy on the template's own Python
	@$(VENV)/bin/python -m tests lint

format: $(READY) ## let ruff format and mend what it can
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

lock: $(READY) ## compile all requirements, the project's as well (newer versions: UPGRADE=1)
	cd requirements && for name in uv dev; do ../$(LOCK) -o $$name.txt $$name.in || exit 1; done
	cd ansible && ../$(LOCK) -o requirements.txt requirements.in
	cd requirements && ../$(LOCK) -o ansible.txt ansible.in
	cd "$(PROJECT)/requirements" && for name in base local; do ../../$(LOCK) -o $$name.txt $$name.in || exit 1; done
	cd "$(PROJECT)/requirements" && ../../$(LOCK) --no-deps -o redis.txt redis.in  # its server is run, nothing of it is imported

ci: test demo ## what .ci/run calls on a bare machine

clean: ## remove build/
	rm -rf $(BUILD)

$(READY): requirements/uv.txt requirements/dev.txt
	@test -n "$(PYTHON)" && $(PYTHON) -c '$(SUPPORTED)' || { echo "Python 3.11, 3.12 or 3.13 is needed;" \
		"found: $(or $(VERSION),none). Name one: make PYTHON=/path/to/python3.13"; exit 1; }
	@echo "Setting up $(VENV) with $(PYTHON) ($(VERSION))"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "Python's venv module is incomplete" \
		"(on Debian and Ubuntu: apt-get install python3-venv)"; exit 1; }
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(UV) pip sync --quiet --python $(VENV)/bin/python --require-hashes requirements/dev.txt
	@touch $@

$(PROJECT_READY): $(READY) $(PROJECT)/requirements/local.txt
	@echo "Setting up $(PROJECT_VENV), which the generated projects are checked in"
	@$(UV) venv --quiet --clear --python $(VENV)/bin/python $(PROJECT_VENV)
	@$(UV) pip sync --quiet --python $(PROJECT_VENV)/bin/python --require-hashes "$(PROJECT)/requirements/local.txt"
	@touch $@

$(ANSIBLE_READY): $(READY) requirements/ansible.txt
	@echo "Setting up $(ANSIBLE_VENV), which playbooks are checked and run with"
	@$(UV) venv --quiet --clear --python $(VENV)/bin/python $(ANSIBLE_VENV)
	@$(UV) pip sync --quiet --python $(ANSIBLE_VENV)/bin/python --require-hashes requirements/ansible.txt
	@touch $@
