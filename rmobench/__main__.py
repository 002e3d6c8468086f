"""`python -m rmobench`: the same program as `rmobench`."""

from rmobench.cli import main

if __name__ == "__main__":
    main()
