PYTHON ?= python3
SANDBOX = .venv/bin/python -m sandbox
STACK ?= dev
BASE ?= origin/main
# Most of what the azuread plugin does is waiting: the engine's own choice, four operations per core, is too few.
export PULUMI_PARALLEL ?= 100
IN_STACK = $(SANDBOX) exec -- sh -c 'pulumi stack select --create $(STACK) >/dev/null && exec "$$@"' sh

.PHONY: help up preview destroy shell outputs portal verify expiry rotate retire diff test bench check schema clean docs docs-links

help: ## show what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 18

up: .venv/ready ## register Identity Manager in the sandbox's tenant and print the outputs
	@.venv/bin/python -m operations rotate --stack $(STACK) --if-due 60d
	@$(IN_STACK) pulumi up --yes --stack $(STACK)
	@printf '\nShow the secrets:  make outputs\nLook at it:        make portal\nSee the plan:      edit Pulumi.$(STACK).yaml, then make preview\nWork in it:        make shell   (then: pulumi stack, pulumi up, ...)\nProve it works:    make verify\nTake it all away:  make destroy\n'

preview: .venv/ready ## show what `make up` would change, held against the policies
	@$(IN_STACK) pulumi preview --diff --stack $(STACK) --policy-pack policy/serve

outputs: .venv/ready ## print the outputs, secrets in plain text
	@$(IN_STACK) pulumi stack output --json --show-secrets --stack $(STACK)

destroy: .venv/ready ## remove all that `make up` made
	@$(IN_STACK) pulumi destroy --yes --stack $(STACK)

shell: .venv/ready ## a shell in which plain `pulumi` works on the sandbox
	@$(IN_STACK) $${SHELL:-sh}

portal: .venv/ready ## keep the sandbox's portal page open in a browser's reach
	@$(SANDBOX) exec -- sh -c 'echo "https://$$ARM_METADATA_HOSTNAME/ (its certificate is the sandbox'"'"'s own; Ctrl-C ends it)"; exec sleep 86400'

verify: .venv/ready ## sign in with each secret, compare the permissions, read the directory
	@$(SANDBOX) exec -- python -m operations verify --stack $(STACK)

expiry: .venv/ready ## show how many days each secret has left
	@$(SANDBOX) exec -- python -m operations expiry --stack $(STACK)

rotate: .venv/ready ## add a secret to the stack file, for the next `make up`
	@.venv/bin/python -m operations rotate --stack $(STACK)

retire: .venv/ready ## take the older secrets out of the stack file, for the next `make up`
	@$(SANDBOX) exec -- python -m operations retire --stack $(STACK)

diff: .venv/ready ## show what your change declares, compared with BASE, without Azure
	@.venv/bin/python -m operations diff --stack $(STACK) --base $(BASE)

test: check ## check the code and run all tests
	.venv/bin/python -m pytest -n 2 --dist worksteal

bench: .venv/ready-for-tests ## measure time, memory and requests for SIZES="1 10 100 1000" registrations
	@.venv/bin/python -m benchmarks $(SIZES)

check: .venv/ready-for-tests
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy .

schema: .venv/ready ## renew the package's golden schema, after a change on purpose
	@$(SANDBOX) exec -- sh -c 'pulumi package get-schema ./components/pulumi-resource-identity-manager >.schema && mv .schema tests/package/schema.json'

docs: .venv/ready-for-tests ## build the documentation's site into docs/_build/html
	@.venv/bin/python -m docs.settings_reference
	@.venv/bin/sphinx-build --quiet --fail-on-warning --keep-going --nitpicky --builder html docs docs/_build/html
	@echo "Open docs/_build/html/index.html"

docs-links: .venv/ready-for-tests ## ask every address that the documentation links to
	@.venv/bin/sphinx-build --quiet --builder linkcheck docs docs/_build/linkcheck

clean: ## remove the sandbox and the virtual environment
	rm -rf .sandbox .venv

.venv/ready: requirements.txt requirements-tools.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is %s: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	@echo "Installing the Python packages into .venv ..."
	@$(PYTHON) -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-tools.txt
	@touch $@

.venv/ready-for-tests: .venv/ready requirements-dev.txt
	@echo "Installing what the tests need into .venv ..."
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
