"""``python -m hiyoko.porter --state-dir DIR --keeper-pid PID``."""

from hiyoko.porter.server import main

if __name__ == "__main__":
    main()
