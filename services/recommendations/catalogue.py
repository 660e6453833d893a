"""The catalogue: which books stand on which shelf, and which of them suit a user."""

import json
import random
from pathlib import Path
from typing import NamedTuple

BOOKS_FILE = Path(__file__).with_name("books.json")


class Book(NamedTuple):
    id: int
    title: str


class Catalogue:
    """Books by category.

    Args:
        shelves: the books of each category, under the category's number in the contract.
    """

    def __init__(self, shelves: dict[int, list[Book]]) -> None:
        self._shelves = shelves

    @classmethod
    def load(cls, numbers: dict[str, int], path: Path = BOOKS_FILE) -> "Catalogue":
        """Read the shelves from a JSON file, `{"MYSTERY": [{"id": 1, "title": "…"}, …], …}`.

        Args:
            numbers: the contract's number of every category name, `BookCategory.items()`.
            path: the file to read.

        Raises:
            KeyError: the file has a category that the contract does not know.
        """
        shelves = json.loads(path.read_text(encoding="utf-8"))
        return cls({numbers[name]: [Book(**book) for book in books] for name, books in shelves.items()})

    def pick(self, user_id: int, category: int, count: int) -> list[Book]:
        """Pick up to `count` different books, always the same ones for the same user.

        Raises:
            LookupError: no shelf has this category.
        """
        if category not in self._shelves:
            raise LookupError(f"no shelf has category {category}; the categories are {sorted(self._shelves)}")
        shelf = self._shelves[category]
        # A taste of one's own: the user and the shelf seed the choice.
        return random.Random(f"{user_id}/{category}").sample(shelf, min(count, len(shelf)))
