"""`python -m handful` is `handful`."""

import sys

from handful.cli.app import main

sys.exit(main())
