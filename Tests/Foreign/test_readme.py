"""The commands of README.md, run as they stand there against a server that was just started."""

import os
import pathlib
import re
import subprocess
import tempfile

import pytest

from conftest import ROOT, binary, start_segmentd

README = (ROOT / "README.md").read_text()


def commands():
    """Those with their output (`$ ...`), then those of the block behind them."""
    section = README.split("### From the command line")[1].split("### ")[0]
    shown = re.findall(r"^\$ (.*)$", section, re.MULTILINE)
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)[1].splitlines()
    assert len(shown) >= 4 and len(block) >= 15
    return shown, block


@pytest.fixture
def shell():
    """A shell in a folder of its own, with both programs on its path and a server that knows nobody."""
    with tempfile.TemporaryDirectory(prefix="segmentd-readme-", ignore_cleanup_errors=True) as name:
        os.chmod(name, 0o755)
        folder = pathlib.Path(name)
        (folder / "Examples").symlink_to(ROOT / "Examples")
        server = start_segmentd(folder)
        environment = {
            **os.environ, "PATH": f"{pathlib.Path(binary('segctl')).parent}:{os.environ['PATH']}", "SEGCTL_ADDRESS": server.address,
            "SEGMENTD_DATA_DIR": name,
        }

        def run(script):
            return subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)

        yield run
        assert server.stop() == 0


def test_every_command_does_what_the_readme_says(shell):
    shown, block = commands()
    printed = [shell(command) for command in shown]
    assert all(done.returncode == 0 for done in printed), [done.stderr for done in printed]
    assert "BETA          ASSIGNED  " in printed[1].stdout
    assert printed[3].stdout.startswith("user_id,segment_slug,action,stamp\n42,BETA,ASSIGN,")
    # One shell for all: a line may use what an earlier one has set.
    told = shell("\n".join(f"echo '--- {number}'\n{command}" for number, command in enumerate(block)))
    assert told.returncode == 0, told.stdout + told.stderr
    outputs = dict(zip(block, re.split(r"^--- \d+\n", told.stdout, flags=re.MULTILINE)[1:]))

    def output(beginning):
        return next(text for command, text in outputs.items() if command.startswith(beginning))

    assert "RENEWED" in output("segctl user update 7 --assign BETA=30d --if-present replace --remove TRIAL ")
    assert re.search(r"^User 7 is not in TRIAL: .* removed it at ", output("segctl explain 7 TRIAL"))
    assert "BETA" in output("segctl user segments 7 --as-of") and "TRIAL" not in output("segctl user segments 7 --as-of")
    assert {"7", "42"} <= {line.split()[0] for line in output("segctl segment members BETA --as-of").splitlines()[1:]}
    assert " 72155 " in output("segctl import memberships")
    assert "no differences" in told.stderr
