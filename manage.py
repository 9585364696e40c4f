#!/usr/bin/env python
"""Lombard's commands; the ones that need a database find one running."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")
    from django.core.management import execute_from_command_line

    from deploy.embedded.entry import services_for
    from deploy.embedded.processes import EmbeddedError

    try:
        with services_for(sys.argv):
            execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)
    except EmbeddedError as error:
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    main()
