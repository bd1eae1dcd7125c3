"""`python -m imgcycle` is the same command line as `imgcycle`."""

from imgcycle.cli.app import main

if __name__ == "__main__":
    main()
