"""`python -m reage`, for torchrun too."""

from reage.cli import main

if __name__ == "__main__":
    main()
