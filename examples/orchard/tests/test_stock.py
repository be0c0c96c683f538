import unittest

from orchard.stock import has_room, total


class StockTest(unittest.TestCase):
    def test_total_adds_up_all_kinds(self) -> None:
        self.assertEqual(total({"apple": 2, "pear": 3}), 5)

    def test_there_is_room_until_the_last_crate(self) -> None:
        self.assertTrue(has_room({"apple": 39}))
        self.assertFalse(has_room({"apple": 40}))
