"""Play the whole story on this machine: `make demo`.

Exit code 0 only if every scene came out as expected.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from demonstration.scenes import Story
from demonstration.stage import Stage
from demonstration.telling import Teller

REPORT: Final = Path(__file__).parent.parent / "build" / "reports" / "demo.json"


def main() -> int:
    """Play, tell, and write the report."""
    started = time.monotonic()
    teller = Teller()
    with tempfile.TemporaryDirectory(prefix="tallymark-demo-") as folder:
        stage = Stage(Path(folder))
        story = Story(stage, teller)
        with stage.servers():
            story.play()
    seconds = time.monotonic() - started
    teller.summary(story.results, seconds)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    report = [result._asdict() for result in story.results]
    REPORT.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if all(result.is_good for result in story.results) else 1


if __name__ == "__main__":
    sys.exit(main())
