"""How many of something, for people."""


def how_many(number: int, one: str, many: str = "") -> str:
    """ "1 record", "12 records"; `many`: where an s does not make it."""
    return f"{number} {one if number == 1 else many or one + 's'}"
