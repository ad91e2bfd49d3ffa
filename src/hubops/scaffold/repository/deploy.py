"""Build, push and deploy one hub: python deploy.py HUB [--no-setup] [--build] [--push] [--deploy]."""

import os
import shutil
import sys

beside = os.path.dirname(sys.executable)
program = shutil.which("hubops", path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
if program is None:
    sys.exit("hubops is not installed. Next: pip install -r requirements.txt")
os.execv(program, [program, "deploy.py", *sys.argv[1:]])
