#!/usr/bin/env python3
"""Build, push and deploy one hub: python deploy.py HUB [--no-setup] [--build] [--push] [--deploy].

Standard library only: it goes on in the project's own environment, which is made when it is missing.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "toolchain"))
sys.dont_write_bytecode = True

import bootstrap  # noqa: E402 - found through the line above

bootstrap.run("hubops.cli.main", ["deploy.py", *sys.argv[1:]])
