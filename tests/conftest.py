"""What all tests need of the process that runs them."""

import signal


def pytest_configure() -> None:
    """Take back that Ctrl-C is ignored, as it is by all that a script starts in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
