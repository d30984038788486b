"""What values of command-line options may be, for `argparse`'s `type`; those that several tools take."""

import argparse


def positive(text: str) -> int:
    """A number of things, one at least.

    Raises:
        argparse.ArgumentTypeError: it is no whole number, or less than 1.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return number
