"""How much fruit there is, and where it fits."""

MAX_CRATES = 40


def total(crates: dict[str, int]) -> int:
    """Add up the crates of all kinds."""
    return sum(crates.values())


def has_room(crates: dict[str, int]) -> bool:
    """Tell whether one more crate fits."""
    return total(crates) < MAX_CRATES
