"""What the documents claim, run: the Python examples of both READMEs, and the commands they name."""
import re
import subprocess
import sys

import pytest

from harness import ROOT


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_python_example(server, name):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.S)
    assert blocks
    for code in blocks:
        code = code.replace("http://127.0.0.1:8080", server.url)
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                             env={"ATRIUM_API_KEY": server.key, "PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8"})
        assert ran.returncode == 0, ran.stderr[-2000:]
        assert "eleven" in ran.stdout or "十一点" in ran.stdout, ran.stdout


def test_make_targets_and_links_exist():
    targets = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    for name in ["README.md", "README.zh.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]:
        text = (ROOT / name).read_text()
        for target in re.findall(r"(?:^    |`)make ([a-z-]+)", text, re.M):
            assert f"make {target} " in targets, (name, target)
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / link).exists(), (name, link)
