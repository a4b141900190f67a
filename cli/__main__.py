"""``python -m cli`` is the ``armillary`` command."""

from cli.main import main

main()
