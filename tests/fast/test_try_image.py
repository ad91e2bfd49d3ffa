"""What a deploy does not import: it has no use for what tries images."""

import subprocess
import sys


def test_a_deploy_imports_nothing_that_tests_images() -> None:
    program = "import sys, hubops.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert "hubops.run.images" in loaded
    for name in ("checks.smoke", "checks.cells", "clients.jupyter", "run.try_image"):
        assert f"hubops.{name}" not in loaded
