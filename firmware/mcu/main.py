"""What a board runs for ever, after boot.py has chosen the version."""


def main() -> None:
    """Run the gate; it ends with a reset, never by itself."""
    from firmware.mcu.app import run

    run()


if __name__ == "__main__":
    main()
