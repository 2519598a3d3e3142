"""Run every shell block of a README, but for the lines CI has run already; stop at a failure."""

import os
import re
import subprocess
import sys
from pathlib import Path

ALREADY_RUN = ("make test", ".ci/run", "bash .ci/run", "git clone", "cd kilohear")


def main(readme: Path) -> None:
    """Run the lines of each ```sh block in order, with the project's environment active."""
    blocks = re.findall(r"^```sh\n(.*?)^```", readme.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    commands = [
        line.split("  #")[0].strip()
        for line in lines
        if line and not line.startswith(("#", *ALREADY_RUN))
    ]
    if not commands:
        sys.exit(f"{readme}: no commands in ```sh blocks; nothing was tried")
    path = f"{Path('.venv/bin').resolve()}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    for command in commands:
        print(f"$ {command}", flush=True)
        subprocess.run(["bash", "-c", command], check=True, env=environment)
    print(f"{len(commands)} commands of {readme} ran")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
