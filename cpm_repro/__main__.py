"""The command `cpm`, and `python -m cpm_repro`: nothing is imported before Ctrl-C ends it without a traceback."""

import sys
from typing import NoReturn

from cpm_repro import ctrl_c


def main() -> NoReturn:
    """Leaves with the exit code of the job that is asked for."""
    ctrl_c.ends_at_once()
    from cpm_repro import jobs

    jobs.run(sys.argv[1:])


if __name__ == "__main__":
    main()
