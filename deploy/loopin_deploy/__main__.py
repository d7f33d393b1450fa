"""``python -m loopin_deploy`` is the command ``loopin``."""

from loopin_deploy.cli import main

main()
